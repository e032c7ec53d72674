#pragma once
// Two ports and what is under way between them: frames that came in at one leave at the other when
// the model of their direction says so.

#include <atomic>
#include <cstdint>
#include <queue>
#include <vector>

#include "buf/pool.h"
#include "impairment.h"
#include "nic/port_queue.h"
#include "worker/clock.h"

namespace sluice::wire {

class Wire {
 public:
  // hold: where frames wait. Their receive buffers go back at once, or the port would stop
  // receiving. Ports and pool outlive the wire.
  Wire(nic::PortQueue& first, nic::PortQueue& second, buf::Pool hold, const Spec& spec,
       const worker::TscClock& clock);

  // Until stop().
  void run();
  void stop() { stop_.store(true, std::memory_order_relaxed); }

  const Direction::Counters& up() const { return lanes_[0].direction.counters(); }
  const Direction::Counters& down() const { return lanes_[1].direction.counters(); }
  uint64_t no_memory() const { return no_memory_; }  // frames dropped: too many under way

 private:
  struct Held {
    Time due{};
    uint64_t order = 0;  // frames that are due together leave in the order in which they came
    buf::Slice frame;
    bool operator<(const Held& o) const {
      return due != o.due ? due > o.due : order > o.order;  // the next one due is on top
    }
  };
  struct Lane {
    nic::PortQueue& from;
    nic::PortQueue& to;
    Direction direction;
    std::priority_queue<Held> held;
  };

  bool turn(Lane& lane, Time now);
  void hold(Lane& lane, const buf::Slice& frame, Time now);

  std::vector<Lane> lanes_;
  buf::Pool pool_;
  const worker::TscClock& clock_;
  uint64_t order_ = 0;
  uint64_t no_memory_ = 0;
  std::atomic<bool> stop_ = false;
};

}  // namespace sluice::wire
