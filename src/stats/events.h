#pragma once
// What a worker wants in the log: it must not write there itself, so it leaves a note, and control
// fetches it.

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/address.h"
#include "stats/counter.h"

namespace sluice::stats {

// A connection ended, or something on it was refused or said, for what its peer did.
struct Event {
  enum class Kind : uint8_t {
    kEnded,    // the connection; or, where a guard is named, what that acts on
    kGoesOn,   // it lives
    kRoutine,  // it lives, and nobody did anything wrong
  };
  static constexpr size_t kDetail = 120;  // bytes: a line of a log stays one

  const char* guard = nullptr;  // as `sluicectl guards` calls it; nullptr: none acted
  const char* what = "";        // both strings live for ever
  Endpoint peer;
  bool pod = false;  // the peer is a pod, not a client
  Kind kind = Kind::kEnded;
  uint8_t detail_size = 0;
  std::array<char, kDetail> detail{};  // behind `what`; from add()

  // Whatever a peer wrote: what is not printable ASCII becomes '?', and what is too long is cut.
  void add(std::string_view text) {
    for (const char c : text) {
      if (detail_size == kDetail) return;
      detail[detail_size++] = c >= ' ' && c <= '~' ? c : '?';
    }
  }
  std::string_view details() const { return {detail.data(), detail_size}; }
};

// One writer, one reader, and neither waits: what finds no room is counted and lost, since a flood
// of notes tells no more than the first of them.
class Events {
 public:
  static constexpr uint32_t kCapacity = 64;

  void push(const Event& e) {
    const uint32_t at = written_.load(std::memory_order_relaxed);
    if (at - read_.load(std::memory_order_acquire) == kCapacity) {
      ++lost_;
      return;
    }
    ring_[at % kCapacity] = e;
    written_.store(at + 1, std::memory_order_release);
  }

  std::optional<Event> pop() {
    const uint32_t at = read_.load(std::memory_order_relaxed);
    if (at == written_.load(std::memory_order_acquire)) return std::nullopt;
    const Event e = ring_[at % kCapacity];
    read_.store(at + 1, std::memory_order_release);
    return e;
  }
  uint64_t lost() const { return lost_.get(); }

 private:
  std::array<Event, kCapacity> ring_;
  std::atomic<uint32_t> written_{0};
  std::atomic<uint32_t> read_{0};
  Counter lost_;
};

}  // namespace sluice::stats
