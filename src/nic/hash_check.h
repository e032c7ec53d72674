#pragma once
// Compares the hashes that a device puts into the first frames with the hashes that software
// computes. Sluice can tell the queue of a flow only if the two agree.

#include <rte_mbuf.h>

#include <atomic>
#include <cstdint>
#include <span>

#include "nic/rss.h"

namespace sluice::nic {

enum class HashVerdict : uint8_t {
  kOff,      // the port's profile claims no RSS, or its key is not known
  kRunning,  // fewer than kFrames frames with a hash so far
  kAgrees,
  kDiffers,
};

// Of one queue. look() is for the worker that owns the queue; the others are for any thread.
class HashCheck {
 public:
  static constexpr uint32_t kFrames = 1000;  // TCP segments with a hash

  // rss: outlives the check; nullptr: nothing is checked.
  explicit HashCheck(const RssState* rss)
      : rss_(rss), verdict_(rss && rss->known() ? HashVerdict::kRunning : HashVerdict::kOff) {}

  // False before the first frame or after the last: then look() has nothing to do.
  bool running() const { return verdict() == HashVerdict::kRunning; }
  void look(std::span<rte_mbuf* const> frames);

  HashVerdict verdict() const { return verdict_.load(std::memory_order_acquire); }
  uint32_t compared() const { return compared_.load(std::memory_order_relaxed); }
  // The first two hashes that differed, once the verdict is kDiffers.
  uint32_t of_device() const { return of_device_; }
  uint32_t of_software() const { return of_software_; }

 private:
  const RssState* rss_;
  std::atomic<HashVerdict> verdict_;
  std::atomic<uint32_t> compared_{0};
  uint32_t of_device_ = 0;
  uint32_t of_software_ = 0;
};

}  // namespace sluice::nic
