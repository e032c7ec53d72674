#pragma once
// The record of a connection that we closed first (RFC 9293, 3.6.1): enough to answer a
// retransmitted FIN and to tell an old segment from a new connection.

#include <cstdint>

#include "base/chrono.h"
#include "base/list.h"
#include "base/slab.h"
#include "tcp/flow_table.h"
#include "tcp/header.h"

namespace sluice::tcp {

struct TimeWait : Flow, ListHook<> {
  TimeWait(const Endpoint& l, const Endpoint& r) : Flow(Kind::kTimeWait, l, r) {}

  Time expires{};
  uint32_t snd_nxt = 0;
  uint32_t rcv_nxt = 0;
  uint32_t window_end = 0;  // right edge that was advertised
  uint32_t ts_recent = 0;
  uint32_t ts_offset = 0;
  bool timestamps = false;
  Time answered{};  // last answer to a segment other than the peer's FIN

  // RFC 6191, 2: whether a SYN is certainly new, by its timestamp or its sequence number.
  bool reusable_by(const Header& syn) const;
};

// All records expire after the same time, so a list in order of entry is their timer.
class TimeWaits {
 public:
  TimeWaits(size_t max, FlowTable& table) : table_(table), records_(max), max_(max) {}
  ~TimeWaits();

  // Adds a record to the table, to be filled in. A full table drops its oldest; the result tells
  // whether it had to.
  TimeWait& add(const Endpoint& local, const Endpoint& remote, Time expires, bool& evicted);
  void restart(TimeWait& t, Time expires);
  void remove(TimeWait& t);
  void expire(Time now);
  Time next() { return list_.empty() ? kNever : list_.front().expires; }
  bool make_room();  // drops the oldest record; false when there is none
  size_t size() const { return records_.live(); }

 private:
  FlowTable& table_;
  Slab<TimeWait> records_;
  size_t max_;
  List<TimeWait> list_;
};

}  // namespace sluice::tcp
