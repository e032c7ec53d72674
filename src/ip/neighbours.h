#pragma once
// Who answers to an address on a link: the neighbour cache of one port, in the states of RFC 4861,
// 7.3.2, spoken over ARP and NDP. Packets that wait for an answer are kept, few and bounded.
//
// Anybody on the link can make the cache look for addresses that nobody has, by packets from them
// (RFC 6583). So there are two kinds of neighbours: those that the configuration names, pods and
// gateways, which have their places for sure, and strangers, who push only each other out.

#include <array>
#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/list.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "ip/ethernet.h"
#include "stats/neighbours.h"

namespace sluice::ip {

// How the cache speaks on its link.
class NeighbourLink {
 public:
  // Asks for `target`; `to` is the broadcast address (NDP asks a multicast group instead), or the
  // neighbour's last known one.
  virtual void solicit(const Address& target, const Mac& to) = 0;
  // Sends a waiting packet (an Ethernet frame whose destination is still unset).
  virtual void release(buf::Slice frame, const Mac& to) = 0;
  // Nobody answers for an address of the configuration, or somebody does again.
  virtual void tell(const Address& neighbour, bool answers) = 0;

 protected:
  ~NeighbourLink() = default;
};

class Neighbours {
 public:
  static constexpr Duration kReachableTime = 30s;  // RFC 4861, 10: REACHABLE_TIME
  static constexpr Duration kRetransTime = 250ms;  // a second (RFC 4861) stalls a first call
  static constexpr unsigned kMaxSolicits = 5;      // unanswered ones, then the neighbour failed
  // Of these, what goes to the address that was known, before all are asked: a neighbour may have
  // a new one.
  static constexpr unsigned kUnicastSolicits = 2;
  static constexpr Duration kFailedTime = 1s;   // how long a failed one is not asked again
  static constexpr Duration kStaleTime = 600s;  // unused this long, a stale one is forgotten
  // Who has just answered is not doubted: as often as that a neighbour is asked at most, however
  // many connections wait for what is behind it.
  static constexpr Duration kDoubtAfter = 200ms;
  // Strangers, some of whom are being looked for.
  static constexpr size_t kMaxEntries = stats::kMaxStrangers;
  static constexpr size_t kMaxUnresolved = 1'024;
  static constexpr size_t kMaxResolved = kMaxEntries - kMaxUnresolved;
  static constexpr Duration kUseGrain = 1ms;  // the order of use is kept as exactly as that
  // Packets kept for one neighbour, and for all of its kind: a burst of connections to a pod begins
  // at once, a stranger asks for our address before it sends anything, and is known by then.
  struct WaitingLimits {
    size_t each;
    size_t in_all;
  };
  static constexpr WaitingLimits kKeptWaiting{256, 1'024};
  static constexpr WaitingLimits kStrangersWaiting{16, 256};

  Neighbours(NeighbourLink& link, TimerWheel& wheel);
  ~Neighbours();

  enum class State : uint8_t { kIncomplete, kReachable, kStale, kProbe, kFailed };
  struct Entry;

  // The neighbours that the configuration names; each has a place whatever strangers do.
  void keep(std::vector<Address> addresses);

  // The address to send to, or nullptr while it is unknown: then *entry says which neighbour a
  // packet may wait() for, or is nullptr when the neighbour is failed.
  const Mac* lookup(const Address& address, Time now, Entry** entry);

  // Keeps a frame until the neighbour, which is unknown yet, answers: a whole burst of connections
  // that begin at once, or each of them waits for its first retransmission. Where as many as
  // allowed wait already, the oldest of this neighbour, or of the one that waits longest, is
  // dropped in favour of this one.
  void wait(Entry& entry, buf::Slice frame);

  // ARP or NDP told that `address` is at `mac`. create: it asked for us, so we shall talk to it
  // soon. overrides: false when it may be another's word, which does not replace what is known (RFC
  // 4861, 7.2.5).
  void learn(const Address& address, const Mac& mac, bool create, bool solicited, Time now,
             bool overrides = true);
  // The neighbour answered without saying where it is: it is where it was asked.
  void confirm(const Address& address, Time now);
  // A transport waits in vain for an answer from there, or from beyond: asks again at once, and
  // believes what is known meanwhile (RFC 1122, 2.3.2.1).
  void doubt(const Address& address, Time now);

  size_t size() const { return entries_.live(); }
  uint64_t evicted() const { return evicted_; }          // strangers, for want of room
  uint64_t undelivered() const { return undelivered_; }  // frames that waited in vain

 private:
  static constexpr size_t kBuckets = 1024;
  using Bucket = List<Entry>;
  struct ByAge;
  struct ByWait;
  struct Kept {
    Address address;
    bool lost = false;  // nobody answers for it
  };

  Entry* find(const Address& address);
  Entry& create(const Address& address, State state);
  void erase(Entry& e);
  void set_state(Entry& e, State state);
  void place(Entry& e);
  void displace(Entry& e);
  void make_room(bool resolved);
  void note_use(Entry& e, Time now);
  Kept* kept(const Address& address);
  void solicit(Entry& e, Time now);
  void on_timer(Entry& e, Time now);
  void drop_oldest(Entry& e);
  std::vector<buf::Slice> take_waiting(Entry& e);

  NeighbourLink& link_;
  TimerWheel& wheel_;
  Slab<Entry> entries_;
  std::array<Bucket, kBuckets> buckets_;
  std::vector<Kept> kept_;  // sorted
  // Strangers, in the order in which they go: of the unresolved failed ones first, then those that
  // are asked for longest; of the others those that were not used for longest.
  List<Entry, ByAge> unresolved_;
  List<Entry, ByAge> resolved_;
  size_t unresolved_count_ = 0;
  size_t resolved_count_ = 0;
  // What waits, for strangers and for the others: the neighbours, longest wait first, and frames.
  std::array<List<Entry, ByWait>, 2> waiters_;
  std::array<size_t, 2> waiting_{};
  uint64_t evicted_ = 0;
  uint64_t undelivered_ = 0;
};

struct Neighbours::Entry : ListHook<>, ListHook<ByAge>, ListHook<ByWait> {
  Entry(Neighbours& o, const Address& a, State s, bool k);
  bool resolved() const { return state != State::kIncomplete && state != State::kFailed; }

  Neighbours& owner;
  Address address;
  Mac mac{};
  State state;
  bool kept;  // named by the configuration
  uint8_t solicits = 0;
  Time used{};
  Time confirmed{};  // by an answer
  Timer timer;
  std::vector<buf::Slice> waiting;  // without memory unless something waits
};

}  // namespace sluice::ip
