#pragma once
// The calls that one worker has in flight on each pod, close together: other workers copy them
// often, and a cache line has the numbers of 16 pods.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::stats {

class alignas(64) PodLoads {
 public:
  static constexpr size_t kMaxPods = 65'536;
  static constexpr size_t kInLine = 16;

  void set(uint32_t slot, uint32_t n) { in_flight_[slot].store(n, std::memory_order_relaxed); }
  uint32_t get(size_t slot) const { return in_flight_[slot].load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint32_t>, kMaxPods> in_flight_{};
};

}  // namespace sluice::stats
