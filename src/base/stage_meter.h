#pragma once
// Divides the cycles of a worker's turn by stage. Few turns are measured: reading the time stamp
// counter at each change of stage costs more than the work of some stages.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace sluice {

enum class Stage : uint8_t {
  kRx,      // receive calls of ports, and the turn's own steps
  kIp,      // received frames, up to their transport packets
  kTcp,     // segments in, and segments out with their IP and Ethernet headers
  kHttp,    // frames and HPACK, in and out
  kRelay,   // calls, services, picks
  kTimers,  // the deadlines that have passed, with all that they cause
  kTx,      // flushes of ports
  kIdle,    // turns that found nothing to do, and sleep
};
inline constexpr size_t kStages = 8;
inline constexpr std::array<std::string_view, kStages> kStageNames{
    "rx", "ip", "tcp", "http", "relay", "timers", "tx", "idle"};

class StageMeter {
 public:
  // Counts cycles without an object.
  using Counter = uint64_t (*)();

  void begin(Counter counter, uint64_t now) {
    counter_ = counter;
    cycles_.fill(0);
    since_ = now;
    stage_ = Stage::kRx;
  }
  // Returns the stage before.
  Stage enter(Stage stage) {
    const uint64_t now = counter_();
    cycles_[static_cast<size_t>(stage_)] += now - since_;
    since_ = now;
    return std::exchange(stage_, stage);
  }
  const std::array<uint64_t, kStages>& cycles() const { return cycles_; }

  // The meter of the turn that runs on this thread; nullptr: the turn is not measured.
  // Rooms are linked into executables alone, where a test of it is one instruction.
  [[gnu::tls_model("local-exec")]] static inline constinit thread_local StageMeter* running =
      nullptr;

 private:
  Counter counter_ = nullptr;
  uint64_t since_ = 0;
  std::array<uint64_t, kStages> cycles_{};
  Stage stage_ = Stage::kRx;
};

// fn() in a turn that is measured.
template <class Fn>
[[gnu::cold, gnu::noinline]] void measured(Stage stage, Fn&& fn) {
  const Stage before = StageMeter::running->enter(stage);
  fn();
  StageMeter::running->enter(before);
}

// fn(), whose cycles belong to a stage. In a turn that is not measured that costs one test.
template <class Fn>
[[gnu::always_inline]] inline void in_stage(Stage stage, Fn&& fn) {
  if (StageMeter::running == nullptr) [[likely]] {
    fn();
  } else {
    measured(stage, fn);
  }
}

}  // namespace sluice
