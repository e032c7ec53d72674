#pragma once
// The time from news of endpoints to the first moment that every worker may use them.

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "stats/requests.h"

namespace sluice::control {

class DiscoveryLag {
 public:
  using Clock = std::chrono::steady_clock;
  // Between two looks while there is something to wait for: the precision of the measurement.
  static constexpr std::chrono::milliseconds kOften{1};

  // A source has brought new endpoints, which are not published yet.
  void arrived(Clock::time_point now) {
    if (!arrived_) arrived_ = now;
  }
  // They are in this generation, or in none, since nothing has changed or they were refused.
  void published(std::optional<uint64_t> generation) {
    if (arrived_ && generation) waiting_.push_back({*generation, *arrived_});
    arrived_.reset();
  }
  bool waiting() const { return !waiting_.empty(); }
  // adopted: the oldest generation that any worker uses.
  void look(uint64_t adopted, Clock::time_point now) {
    while (!waiting_.empty() && waiting_.front().generation <= adopted) {
      times_.record(now - waiting_.front().arrived);
      waiting_.pop_front();
    }
  }
  const stats::Durations& times() const { return times_; }

 private:
  struct Publication {
    uint64_t generation;
    Clock::time_point arrived;
  };
  std::optional<Clock::time_point> arrived_;  // of the oldest news that are not published
  std::deque<Publication> waiting_;
  stats::Durations times_;
};

}  // namespace sluice::control
