#pragma once
// Calls that wait, by client: the addresses that they come from take turns, and at each address its
// connections. So nobody who lets many calls wait makes others wait longer.

#include <cstdint>
#include <unordered_map>

#include "base/list.h"

namespace sluice::relay {

class Call;

class WaitQueue {
  struct Group;

 public:
  // The calls of one connection.
  struct Lane : ListHook<Lane> {
    WaitQueue* queue = nullptr;
    Group* group = nullptr;
    uint64_t client = 0;
    uint64_t address = 0;
    List<Call, Call> calls;
    uint32_t count = 0;
  };

  WaitQueue() = default;
  WaitQueue(const WaitQueue&) = delete;

  bool empty() const { return count_ == 0; }
  uint32_t size() const { return count_; }
  // front: before the other calls of its connection.
  void push(Call& call, bool front);
  void remove(Call& call);
  // The call whose turn it is. Not of an empty queue.
  Call& next();
  // It is the turn of the next address, and at this one of the next connection.
  void pass();

  // The last call of whoever has most of the queue: the address, and there the connection. nullptr
  // when, with one more, `client` at `address` would have as much.
  Call* to_give_up_for(uint64_t address, uint64_t client);

  // Connections that have calls here.
  size_t lanes() const { return lanes_.size(); }
  // fn(Lane&) for each of them; the queue stays as it is.
  template <class Fn>
  void for_each_lane(Fn&& fn) {
    for (auto& [client, lane] : lanes_) fn(lane);
  }

 private:
  // The connections of one address.
  struct Group : ListHook<Group> {
    uint64_t address = 0;
    List<Lane, Lane> lanes;
    uint32_t count = 0;
  };

  std::unordered_map<uint64_t, Group> groups_;  // by address
  std::unordered_map<uint64_t, Lane> lanes_;    // by connection
  List<Group, Group> turns_;
  uint32_t count_ = 0;
};

}  // namespace sluice::relay
