#pragma once
// Bytes that all workers of a process charge to one limit. As base/lease.h, for charges that come
// after the memory was taken: they never fail, and left() says beforehand how much there is.

#include <atomic>
#include <cstdint>

namespace sluice {

// The bytes that workers have leased, in a cache line of their own. For any thread.
class alignas(64) SharedBytes {
 public:
  void lease(uint64_t bytes) { leased_.fetch_add(bytes, std::memory_order_relaxed); }
  void give_back(uint64_t bytes) { leased_.fetch_sub(bytes, std::memory_order_relaxed); }
  uint64_t leased() const { return leased_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> leased_{0};
};

// One worker's bytes. The worker leases more than it uses, so that most charges touch only its own
// memory. The idle bytes of all workers together are at most 5 % of the limit.
class ByteLease {
 public:
  // `shared` outlives the lease.
  ByteLease(SharedBytes& shared, uint32_t workers) : shared_(shared), workers_(workers) {}
  ByteLease(const ByteLease&) = delete;
  ~ByteLease() { shared_.give_back(leased_); }

  // change: modulo 2^64, so that a large number gives bytes back. The limit comes with each call,
  // so that a reload takes effect at once.
  void charge(uint64_t change, uint64_t limit) {
    used_ += change;
    if (used_ > leased_ || leased_ - used_ > 2 * idle_share(limit)) adjust(limit);
  }
  // After a reload, for the same reason as Lease::settle().
  void settle(uint64_t limit) { charge(0, limit); }
  uint64_t used() const { return used_; }
  // Bytes of the limit that nobody has charged; the idle bytes of other workers count as charged.
  uint64_t left(uint64_t limit) const {
    const uint64_t charged = shared_.leased() - (leased_ - used_);
    return charged < limit ? limit - charged : 0;
  }
  // This worker has charged its equal share of `part` bytes or more. While all workers together
  // have charged `part`, that is true of at least one of them.
  bool has_share_of(uint64_t part) const { return used_ >= part / workers_; }

 private:
  uint64_t idle_share(uint64_t limit) const { return limit / (40 * uint64_t{workers_}); }
  void adjust(uint64_t limit) {
    const uint64_t lease = used_ + idle_share(limit);
    shared_.lease(lease - leased_);  // modulo 2^64
    leased_ = lease;
  }

  SharedBytes& shared_;
  const uint32_t workers_;
  uint64_t used_ = 0;
  uint64_t leased_ = 0;
};

}  // namespace sluice
