#pragma once
// Bare frames around the wire, as the reference for what a wire and two polling processes can do:
// in by the pods' port of the other process, out by its clients' port, every byte compared.

#include <atomic>
#include <vector>

#include "base/byte_order.h"
#include "body.h"
#include "buf/pool.h"
#include "nic/port_queue.h"
#include "phases.h"
#include "worker/clock.h"

namespace sluice::load {

inline constexpr uint16_t kEchoBurst = 32;

class Echo {
 public:
  // window: frames under way at a time; bytes: of each, checked, the eight of its number included.
  Echo(unsigned window, unsigned bytes, nic::PortQueue& north, nic::PortQueue& south,
       buf::Pool pool, worker::TscClock& clock)
      : bytes_(bytes),
        body_(bytes),
        north_(north),
        south_(south),
        pool_(pool),
        clock_(clock),
        began_(window) {
    send_all();
  }

  bool turn(uint64_t) {
    bool worked = false;
    std::array<ip::InFrame, kEchoBurst> burst;
    const uint16_t n = north_.receive(burst.data(), kEchoBurst);
    const Time now = clock_.at(clock_.cycles());
    // The reflector's second port may come up later than its first; the port drops frames until
    // then.
    if (!any_came_ && now - began_.front() > kResend) {
      ++attempt_;
      send_all();
    }
    for (uint16_t i = 0; i < n; ++i) {
      buf::Slice frame = burst[i].bytes.pop_front();
      if (frame.size() != kHeader + bytes_ || load_be16(frame.data() + 12) != kEtherType) continue;
      if (load_be32(frame.data() + kHeader + kAttempt) != attempt_) continue;
      worked = any_came_ = true;
      const uint32_t number = load_be32(frame.data() + kHeader);
      if (number >= began_.size() ||
          !body_.is(kNumber, frame.view().subspan(kHeader + kNumber, bytes_ - kNumber))) {
        ++errors_;
        continue;
      }
      ++frames_;
      latencies_.record(now - began_[number]);
      send(std::move(frame), number);
    }
    south_.flush();
    return worked;
  }

  uint64_t errors() const { return errors_; }
  bool ready() const { return frames_ > 0; }
  Outcome outcome() const {
    return {.calls = frames_,
            .errors = errors_,
            .body_bytes = frames_ * bytes_,
            .busy_share = busy.share()};
  }
  const Latencies& latencies() const { return latencies_; }
  void clear() {
    errors_ = frames_ = 0;
    latencies_.clear();
    busy.clear();
  }
  void pace(double, Time) {}
  void end(Time) {}

  Busy busy;

 private:
  static constexpr uint32_t kHeader = 14;  // of Ethernet
  static constexpr uint32_t kNumber = 8;   // bytes ahead of what is compared
  static constexpr uint32_t kAttempt = 4;  // where among these the attempt's number stands
  static constexpr Duration kResend = 200ms;
  static constexpr uint16_t kEtherType = 0x88b5;  // for local experiments (IEEE 802)

  void send_all() {
    for (uint32_t i = 0; i < began_.size(); ++i) {
      buf::Slice frame = pool_.alloc();
      frame.grow_back(kHeader + bytes_);
      uint8_t* p = frame.mutable_data();
      std::memset(p, 0xff, 12);
      store_be16(p + 12, kEtherType);
      body_.write(0, p + kHeader, bytes_);
      send(std::move(frame), i);
    }
    south_.flush();
  }

  void send(buf::Slice frame, uint32_t number) {
    store_be32(frame.mutable_data() + kHeader, number);
    store_be32(frame.mutable_data() + kHeader + kAttempt, attempt_);
    began_[number] = clock_.at(clock_.cycles());
    south_.transmit(std::move(frame));
  }

  const uint32_t bytes_;
  const Body body_;
  nic::PortQueue& north_;
  nic::PortQueue& south_;
  buf::Pool pool_;
  worker::TscClock& clock_;
  std::vector<Time> began_;
  uint32_t attempt_ = 0;   // all frames are sent again while none has come
  bool any_came_ = false;  // of the latest attempt
  uint64_t frames_ = 0;
  uint64_t errors_ = 0;
  Latencies latencies_;
};

// What arrives by one port leaves by the other.
inline void reflect(nic::PortQueue& north, nic::PortQueue& south, const std::atomic<bool>& ended) {
  std::array<ip::InFrame, kEchoBurst> burst;
  const auto carry = [&burst](nic::PortQueue& from, nic::PortQueue& to) {
    const uint16_t n = from.receive(burst.data(), kEchoBurst);
    for (uint16_t i = 0; i < n; ++i) to.transmit(burst[i].bytes.pop_front());
    if (n > 0) to.flush();
  };
  while (!ended.load(std::memory_order_relaxed)) {
    carry(south, north);
    carry(north, south);
  }
}

}  // namespace sluice::load
