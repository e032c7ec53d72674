#include "relay/wait_queue.h"

#include "relay/exchange.h"

namespace sluice::relay {

void WaitQueue::push(Exchange& e, bool front) {
  Lane& lane = lanes_[e.client_id()];
  if (lane.count == 0) {
    Group& group = groups_[e.client_address()];
    if (group.count == 0) turns_.push_back(group);
    group.address = e.client_address();
    group.lanes.push_back(lane);
    lane.queue = this;
    lane.group = &group;
    lane.client = e.client_id();
    lane.address = group.address;
  }
  if (front) {
    lane.calls.push_front(e);
  } else {
    lane.calls.push_back(e);
  }
  e.set_lane(&lane);
  ++lane.count;
  ++lane.group->count;
  ++count_;
}

void WaitQueue::remove(Exchange& e) {
  Lane& lane = *e.lane();
  Group& group = *lane.group;
  static_cast<ListHook<Exchange>&>(e).unlink();
  e.set_lane(nullptr);
  --count_;
  if (--group.count == 0) {
    lanes_.erase(lane.client);
    groups_.erase(group.address);
  } else if (--lane.count == 0) {
    lanes_.erase(lane.client);
  }
}

Exchange& WaitQueue::next() {
  return turns_.front().lanes.front().calls.front();
}

void WaitQueue::pass() {
  Group& group = *turns_.pop_front();
  turns_.push_back(group);
  group.lanes.push_back(*group.lanes.pop_front());
}

Exchange* WaitQueue::to_give_up_for(uint64_t address, uint64_t client) {
  Group* most = nullptr;
  for (auto& [key, group] : groups_)
    if (most == nullptr || group.count > most->count) most = &group;
  if (most == nullptr) return nullptr;
  if (most->address != address) {
    const auto own = groups_.find(address);
    if (most->count <= (own == groups_.end() ? 0 : own->second.count) + 1) {
      if (own == groups_.end()) return nullptr;
      most = &own->second;
    }
  }
  Lane* longest = nullptr;
  for (Lane& lane : most->lanes)
    if (longest == nullptr || lane.count > longest->count) longest = &lane;
  if (most->address == address) {
    const auto lane = lanes_.find(client);
    if (longest->count <= (lane == lanes_.end() ? 0 : lane->second.count) + 1) return nullptr;
  }
  return &longest->calls.back();
}

}  // namespace sluice::relay
