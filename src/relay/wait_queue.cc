#include "relay/wait_queue.h"

#include "relay/call.h"

namespace sluice::relay {

void WaitQueue::push(Call& call, bool front) {
  Lane& lane = lanes_[call.client_id()];
  if (lane.count == 0) {
    Group& group = groups_[call.client_address()];
    if (group.count == 0) turns_.push_back(group);
    group.address = call.client_address();
    group.lanes.push_back(lane);
    lane.queue = this;
    lane.group = &group;
    lane.client = call.client_id();
    lane.address = group.address;
  }
  if (front) {
    lane.calls.push_front(call);
  } else {
    lane.calls.push_back(call);
  }
  call.set_lane(&lane);
  ++lane.count;
  ++lane.group->count;
  ++count_;
}

void WaitQueue::remove(Call& call) {
  Lane& lane = *call.lane();
  Group& group = *lane.group;
  static_cast<ListHook<Call>&>(call).unlink();
  call.set_lane(nullptr);
  --count_;
  places_.give(limit_);
  if (--group.count == 0) {
    lanes_.erase(lane.client);
    groups_.erase(group.address);
  } else if (--lane.count == 0) {
    lanes_.erase(lane.client);
  }
}

Call& WaitQueue::next() {
  return turns_.front().lanes.front().calls.front();
}

void WaitQueue::pass() {
  Group& group = *turns_.pop_front();
  turns_.push_back(group);
  group.lanes.push_back(*group.lanes.pop_front());
}

Call* WaitQueue::to_give_up_for(uint64_t address, uint64_t client) {
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
