#pragma once
// Owns the snapshots: the current one, and earlier ones that a worker may still use.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>

#include "config/published.h"
#include "stats/worker.h"

namespace sluice::control {

class Publisher {
 public:
  // Both outlive the publisher, and the workers stop before the publisher is destroyed.
  Publisher(config::Published& published, std::span<stats::Worker* const> workers)
      : published_(published), workers_(workers) {}
  ~Publisher() { published_.set(nullptr); }
  Publisher(const Publisher&) = delete;

  const config::Snapshot* current() const {
    return snapshots_.empty() ? nullptr : snapshots_.back().get();
  }
  uint64_t next_generation() const { return current() ? current()->generation + 1 : 1; }

  // Each generation is larger than the one before.
  void publish(std::unique_ptr<const config::Snapshot> snapshot) {
    snapshots_.push_back(std::move(snapshot));
    published_.set(current());
  }

  // The oldest generation that any worker uses; 0 until all workers have begun.
  uint64_t adopted() const {
    uint64_t least = UINT64_MAX;
    for (const stats::Worker* w : workers_) least = std::min(least, w->generation());
    return least;
  }

  // Frees the snapshots that all workers have passed; call it now and then, and before each
  // publication.
  void reclaim() {
    const uint64_t oldest = adopted();
    while (snapshots_.size() > 1 && snapshots_.front()->generation < oldest) snapshots_.pop_front();
  }
  size_t kept() const { return snapshots_.size(); }

 private:
  config::Published& published_;
  std::span<stats::Worker* const> workers_;
  std::deque<std::unique_ptr<const config::Snapshot>> snapshots_;
};

}  // namespace sluice::control
