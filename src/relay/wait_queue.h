#pragma once
// Calls of one worker that wait, by client. The client addresses take turns; at each address, its
// connections do. So a client that lets many calls wait does not make others wait longer.

#include <cstdint>
#include <unordered_map>

#include "base/lease.h"
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

  // places: the calls that may wait in all workers; nullptr: this worker is the only one. `places`
  // outlives the queue.
  WaitQueue(SharedLimit* places, uint32_t workers) : places_(places, workers) {}
  WaitQueue(const WaitQueue&) = delete;

  // Takes a place for the next push(). False when `limit` calls wait in all queues that share the
  // places.
  bool reserve(uint32_t limit) {
    limit_ = limit;
    return places_.take(limit);
  }

  // After a reload.
  void settle(uint32_t limit) {
    limit_ = limit;
    places_.settle(limit);
  }

  bool empty() const { return count_ == 0; }
  uint32_t size() const { return count_; }
  // After reserve(). front: before the other calls of its connection.
  void push(Call& call, bool front);
  void remove(Call& call);
  // The call whose turn it is. The queue must not be empty.
  Call& next();
  // Passes the turn to the next address; at the old address, to the next connection.
  void pass();

  // The last call of the client that has most of the queue: of the address with most calls, the
  // connection with most. nullptr when `client` at `address` would have as many with one more.
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
  Lease places_;
  uint32_t limit_ = 0;  // of the latest reserve()
};

}  // namespace sluice::relay
