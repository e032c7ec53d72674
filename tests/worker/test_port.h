#pragma once
// A clock and a port that the test holds in its hands.

#include <array>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "base/chrono.h"
#include "buf/slice.h"
#include "ip/in_frame.h"
#include "ip/output.h"

namespace sluice::worker {

constexpr uint64_t kStart = 1'000'000'000;

struct TestClock {
  uint64_t now = kStart;  // a cycle is a nanosecond
  uint64_t cycles() const { return now; }
  Time at(uint64_t cycles) const { return Time{Duration{static_cast<int64_t>(cycles)}}; }
};

struct TestStats {
  uint64_t rx_packets = 0, rx_bytes = 0, rx_oversize = 0, rx_malformed = 0, rx_overflow = 0;
  uint64_t rx_unknown_vlan = 0;
  uint64_t tx_packets = 0, tx_bytes = 0, tx_full = 0, tx_no_memory = 0, tx_oversize = 0;
  uint64_t driver_cycles = 0;
};

class TestPort final : public ip::Link {
 public:
  uint16_t receive(ip::InFrame* out, uint16_t n) {
    ++receive_calls;
    if (received != nullptr) received->push_back(this);
    uint16_t got = 0;
    for (; got < n && !arriving.empty(); ++got) {
      out[got].bytes = std::move(arriving.front());
      arriving.pop_front();
    }
    numbers.rx_packets += got;
    return got;
  }
  void flush() {
    ++flushes;
    if (takes) stuck = 0;
  }
  size_t unsent() const { return stuck; }
  bool waiting() const { return holds; }
  void interrupts(bool on) { interrupting = on; }
  const TestStats& stats() const { return numbers; }

  bool transmit(const ip::OutFrame& frame) override {
    std::vector<uint8_t> bytes(frame.headers.begin(), frame.headers.end());
    for (const buf::View& v : frame.payload) bytes.insert(bytes.end(), v.begin(), v.end());
    sent.push_back(std::move(bytes));
    ++numbers.tx_packets;
    return true;
  }
  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return 1500; }
  uint32_t max_tso() const override { return 0; }

  std::deque<buf::Slice> arriving;
  std::vector<std::vector<uint8_t>> sent;
  TestStats numbers;
  unsigned receive_calls = 0;
  std::vector<const TestPort*>* received = nullptr;  // which port was asked when
  unsigned flushes = 0;
  bool interrupting = false;
  size_t stuck = 0;  // frames that flush() leaves waiting while the device does not take them
  bool takes = false;
  bool holds = false;  // frames that came with those of another port

 private:
  std::array<uint8_t, 6> mac_{2, 0, 0, 0, 0, 1};
};

}  // namespace sluice::worker
