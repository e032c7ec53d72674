#pragma once
// Finds the usual reason why calls hang while ping works: the peer of a virtual port leaves
// checksums to hardware that does not exist, and everything that the peer sends is dropped.

#include <array>
#include <cstdint>
#include <optional>

#include "stats/worker.h"

namespace sluice::control {

class ChecksumHint {
 public:
  // Call it every second with the port's counters. Returns how many segments were dropped for their
  // checksum since the last one that got through, when they are several and were not reported
  // before.
  std::optional<uint64_t> look(size_t port, uint64_t dropped, uint64_t got_through);

 private:
  // Damage on the way hits one segment or another, but not every segment.
  static constexpr uint64_t kSeveral = 3;

  struct Seen {
    uint64_t dropped = 0;
    uint64_t got_through = 0;
    bool told = false;
  };
  std::array<Seen, stats::kMaxPorts> seen_{};
};

}  // namespace sluice::control
