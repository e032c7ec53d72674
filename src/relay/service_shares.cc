// Calls wait for a place on the pods for long: clients that have more than their share give up
// places, and for a while take no more than their share.

#include <algorithm>

#include "relay/service.h"
#include "upstream/pool.h"

namespace sluice::relay {

using upstream::CallSide;
using upstream::Pool;

void Service::look_at_shares() {
  if (waiting_.empty() && context_.now >= sharing_until_) {
    sharing_ = false;
    shares_.clear();
    return;
  }
  context_.wheel.arm(share_timer_, context_.now + kShareLook);
  if (ready_.empty()) return;  // calls wait for a pod, not for a place
  shares_.restart(context_.now);
  uint64_t capacity = 0;
  uint64_t taken = 0;
  for (Pool* p : ready_) {
    capacity += p->places();
    p->for_each_call([&](CallSide& side) {
      const Call& call = static_cast<Call&>(side);
      shares_.count_place(call.client_address(), call.client_id());
      ++taken;
    });
  }
  if (taken < capacity) on_room();
  for (WaitQueue* queue : {&waiting_, &held_})
    queue->for_each_lane(
        [&](WaitQueue::Lane& lane) { shares_.count_waiting(lane.address, lane.client); });
  shares_.settle(capacity);
  uint32_t owed = 0;
  waiting_.for_each_lane([&](WaitQueue::Lane& lane) {
    const uint32_t places = std::min(lane.count, shares_.owed(lane.client));
    if (places > 0) shares_.keep_all();
    if (context_.now - lane.calls.front().timers().wait_began() >= kSharePatience) owed += places;
  });
  if (owed > 0) give_up_places(owed);
}

// Ends the calls of the client that has most beyond its share, those first that have been silent
// for longest.
void Service::give_up_places(uint32_t n) {
  const PlaceShares::Excess from = shares_.most_beyond();
  if (from.places == 0) return;
  sharing_ = true;
  sharing_until_ = context_.now + kSharing;
  std::vector<Call*> calls;
  for (Pool* p : ready_)
    p->for_each_call([&](CallSide& side) {
      Call& call = static_cast<Call&>(side);
      if (call.client_id() == from.client) calls.push_back(&call);
    });
  std::sort(calls.begin(), calls.end(), [](const Call* a, const Call* b) {
    return a->timers().active_at() < b->timers().active_at();
  });
  calls.resize(std::min<size_t>({calls.size(), n, from.places}));
  for (Call* call : calls) {
    ++context_.stats.relay.place_shares;
    call->give_up_place();
  }
}

}  // namespace sluice::relay
