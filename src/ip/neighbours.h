#pragma once
// Who answers to an address on a link: the neighbour cache of one port, in the states of RFC 4861,
// 7.3.2, spoken over ARP and NDP. Packets that wait for an answer are kept, few and bounded.

#include <array>
#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/list.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "ip/ethernet.h"

namespace sluice::ip {

// How the cache speaks on its link.
class NeighbourLink {
 public:
  // Asks for `target`; `to` is the broadcast address (NDP asks a multicast group instead), or the
  // neighbour's last known one.
  virtual void solicit(const Address& target, const Mac& to) = 0;
  // Sends a waiting packet (an Ethernet frame whose destination is still unset).
  virtual void release(buf::Slice frame, const Mac& to) = 0;

 protected:
  ~NeighbourLink() = default;
};

class Neighbours {
 public:
  static constexpr Duration kReachableTime = 30s;  // RFC 4861, 10: REACHABLE_TIME
  static constexpr Duration kRetransTime = 250ms;  // a second (RFC 4861) stalls a first call
  static constexpr unsigned kMaxSolicits = 5;      // unanswered ones, then the neighbour failed
  static constexpr Duration kFailedTime = 1s;      // how long a failed one is not asked again
  static constexpr Duration kStaleTime = 600s;     // unused this long, a stale one is forgotten
  static constexpr size_t kMaxEntries = 4096;      // a /20 full of hosts
  static constexpr size_t kMaxWaiting = 256;       // packets kept for one neighbour
  static constexpr size_t kMaxWaitingInAll = 1024;  // beyond it each neighbour keeps the last only

  Neighbours(NeighbourLink& link, TimerWheel& wheel);
  ~Neighbours();

  enum class State : uint8_t { kIncomplete, kReachable, kStale, kProbe, kFailed };
  struct Entry;

  // The address to send to, or nullptr while it is unknown: then *entry says which neighbour a
  // packet may wait() for, or is nullptr when the neighbour is failed or the cache is full.
  const Mac* lookup(const Address& address, Time now, Entry** entry);

  // Keeps a frame until the neighbour answers: a whole burst of connections that begin at once, or
  // each of them waits for its first retransmission. False when as many as allowed wait already;
  // the oldest of the same neighbour is then dropped in favour of this one, as Linux does.
  bool wait(Entry& entry, buf::Slice frame);

  // ARP or NDP told that `address` is at `mac`. create: it asked for us, so we shall talk to it
  // soon. overrides: false when it may be another's word, which does not replace what is known (RFC
  // 4861, 7.2.5).
  void learn(const Address& address, const Mac& mac, bool create, bool solicited, Time now,
             bool overrides = true);
  // The neighbour answered without saying where it is: it is where it was asked.
  void confirm(const Address& address, Time now);

  size_t size() const { return entries_.live(); }

 private:
  static constexpr size_t kBuckets = 1024;
  using Bucket = List<Entry>;

  Entry* find(const Address& address);
  Entry* create(const Address& address);
  void erase(Entry& e);
  void solicit(Entry& e, Time now);
  void on_timer(Entry& e, Time now);
  std::vector<buf::Slice> take_waiting(Entry& e);

  NeighbourLink& link_;
  TimerWheel& wheel_;
  Slab<Entry> entries_;
  std::array<Bucket, kBuckets> buckets_;
  size_t waiting_ = 0;  // frames, for all neighbours
};

struct Neighbours::Entry : ListHook<> {
  Entry(Neighbours& o, const Address& a);
  Neighbours& owner;
  Address address;
  Mac mac{};
  State state = State::kIncomplete;
  uint8_t solicits = 0;
  Time used{};
  Timer timer;
  std::vector<buf::Slice> waiting;  // without memory unless something waits
};

}  // namespace sluice::ip
