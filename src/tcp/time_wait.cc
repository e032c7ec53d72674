#include "tcp/time_wait.h"

#include "tcp/sequence.h"

namespace sluice::tcp {

bool TimeWait::reusable_by(const Header& syn) const {
  if (!syn.has(kSyn) || syn.has(kAck) || syn.has(kRst)) return false;
  if (timestamps && syn.options.timestamps && before(ts_recent, syn.options.ts_value)) return true;
  return before(rcv_nxt, syn.seq);
}

TimeWaits::~TimeWaits() {
  while (make_room()) {
  }
}

TimeWait& TimeWaits::add(const Endpoint& local, const Endpoint& remote, Time expires,
                         bool& evicted) {
  evicted = records_.live() >= max_ && make_room();
  TimeWait* t = records_.create(local, remote);
  t->expires = expires;
  table_.insert(*t);
  list_.push_back(*t);
  return *t;
}

void TimeWaits::restart(TimeWait& t, Time expires) {
  t.unlink();
  t.expires = expires;
  list_.push_back(t);
}

void TimeWaits::remove(TimeWait& t) {
  t.unlink();
  table_.erase(t);
  records_.destroy(&t);
}

void TimeWaits::expire(Time now) {
  while (!list_.empty() && list_.front().expires <= now) remove(list_.front());
}

bool TimeWaits::make_room() {
  if (list_.empty()) return false;
  remove(list_.front());
  return true;
}

}  // namespace sluice::tcp
