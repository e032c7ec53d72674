#pragma once
// Compares the hashes that a device puts into the first frames with the hashes that software
// computes, and the queue of each frame with the queue that the hash names: a device may choose a
// queue by a hash and not tell it. Sluice can tell the queue of a flow only if they agree.

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
  kDiffers,     // a hash of the device
  kOtherQueue,  // a frame came to another queue than the one that its hash names
};

// Of one queue. look() is for the worker that owns the queue; the others are for any thread.
class HashCheck {
 public:
  static constexpr uint32_t kFrames = 1000;  // TCP segments

  // rss: outlives the check; nullptr: nothing is checked. queue: DPDK's number.
  HashCheck(const RssState* rss, uint16_t queue)
      : rss_(rss),
        queue_(queue),
        verdict_(rss && rss->known() ? HashVerdict::kRunning : HashVerdict::kOff) {}

  // False before the first frame or after the last: then look() has nothing to do.
  bool running() const { return verdict() == HashVerdict::kRunning; }
  void look(std::span<rte_mbuf* const> frames);

  HashVerdict verdict() const { return verdict_.load(std::memory_order_acquire); }
  uint32_t compared() const { return compared_.load(std::memory_order_relaxed); }
  bool failed() const {
    return verdict() == HashVerdict::kDiffers || verdict() == HashVerdict::kOtherQueue;
  }
  // The first two hashes that differed, or the two queues, once the check has failed.
  uint32_t of_device() const { return of_device_; }
  uint32_t of_software() const { return of_software_; }

 private:
  void fail(HashVerdict verdict, uint32_t of_device, uint32_t of_software);

  const RssState* rss_;
  uint16_t queue_;
  std::atomic<HashVerdict> verdict_;
  std::atomic<uint32_t> compared_{0};
  uint32_t of_device_ = 0;
  uint32_t of_software_ = 0;
};

}  // namespace sluice::nic
