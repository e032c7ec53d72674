#pragma once
// The neighbour cache of one port, in the states of RFC 4861, 7.3.2, for ARP and NDP. A bounded
// number of packets waits for the answer of a neighbour.
//
// Anybody on the link can make the cache look for addresses that nobody has, by packets from those
// addresses (RFC 6583). So there are two kinds of neighbours. Pods and gateways, which the
// configuration names, always have their places. Strangers push only each other out.

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/list.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "ip/ethernet.h"
#include "stats/neighbours.h"

namespace sluice::ip {

// The way for the cache to send on its link.
class NeighbourLink {
 public:
  // Asks for `target`. `to` is the broadcast address (NDP asks a multicast group instead), or the
  // neighbour's last known address.
  virtual void solicit(const Address& target, const Mac& to) = 0;
  // Sends a waiting packet (an Ethernet frame whose destination is still unset).
  virtual void release(buf::Slice frame, const Mac& to) = 0;
  // Reports that nobody answers for an address of the configuration, or that somebody does again.
  virtual void tell(const Address& neighbour, bool answers) = 0;

 protected:
  ~NeighbourLink() = default;
};

class Neighbours {
 public:
  static constexpr Duration kReachableTime = 30s;  // RFC 4861, 10: REACHABLE_TIME
  static constexpr Duration kRetransTime = 250ms;  // a second (RFC 4861) stalls a first call
  // Without an answer to as many, the neighbour is failed.
  static constexpr unsigned kMaxSolicits = 5;
  // Of these, the number that goes to the known address before all are asked, since a neighbour may
  // have a new address.
  static constexpr unsigned kUnicastSolicits = 2;
  static constexpr Duration kFailedTime = 1s;  // how long a failed neighbour is not asked again
  // A stale neighbour that is unused for this long is forgotten.
  static constexpr Duration kStaleTime = 600s;
  // A neighbour that answered within this time is not asked again, however many connections wait
  // for hosts behind it.
  static constexpr Duration kDoubtAfter = 200ms;
  // Bounds of strangers: all of them, and those of them without an answer yet.
  static constexpr size_t kMaxEntries = stats::kMaxStrangers;
  static constexpr size_t kMaxUnresolved = 1'024;
  static constexpr size_t kMaxResolved = kMaxEntries - kMaxUnresolved;
  static constexpr Duration kUseGrain = 1ms;  // precision of the order of use
  // The packets that wait for one neighbour, and for all neighbours of its kind. A burst of
  // connections to a pod begins at once. A stranger asks for our address before it sends anything,
  // and is known by then.
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

  // The neighbours that the configuration names, as often as it names them. Each has a place,
  // whatever strangers do.
  void keep(const std::vector<Address>& addresses);
  // The configuration names the neighbour once more, or once less.
  void keep_more(const Address& address);
  void keep_less(const Address& address);

  // The address to send to, or nullptr while it is unknown. Then *entry is the neighbour that a
  // packet may wait() for, or nullptr when the neighbour is failed.
  const Mac* lookup(const Address& address, Time now, Entry** entry);

  // The address of a neighbour for which lookup() has nothing to do; nullptr otherwise. Valid until
  // generation() changes.
  const Mac* known(const Address& address, Time now);
  // Changes when a result of known() becomes wrong.
  uint64_t generation() const { return generation_; }

  // Keeps a frame until its neighbour, which is unknown yet, answers. A whole burst of connections
  // may begin at once; without their frames, each would wait for its first retransmission. Where as
  // many frames wait as may, this frame takes the place of the oldest frame of this neighbour, or
  // of the neighbour that waits longest.
  void wait(Entry& entry, buf::Slice frame);

  // ARP or NDP told that `address` is at `mac`. create: the neighbour asked for us, so we shall
  // soon talk to it. overrides: false when the message may come from another node; then it does not
  // replace a known address (RFC 4861, 7.2.5).
  void learn(const Address& address, const Mac& mac, bool create, bool solicited, Time now,
             bool overrides = true);
  // The neighbour answered without its link-layer address: the known address is still right.
  void confirm(const Address& address, Time now);
  // A transport waits in vain for an answer from `address`, or from beyond. Asks again at once, and
  // uses the known address meanwhile (RFC 1122, 2.3.2.1).
  void doubt(const Address& address, Time now);

  size_t size() const { return entries_.live(); }
  uint64_t evicted() const { return evicted_; }          // strangers, for want of room
  uint64_t undelivered() const { return undelivered_; }  // frames that waited without success

 private:
  static constexpr size_t kBuckets = 1024;
  using Bucket = List<Entry>;
  struct ByAge;
  struct ByWait;
  struct Kept {
    uint32_t names = 0;  // how often the configuration names it
    bool lost = false;   // nobody answers for it
  };
  struct Hash {
    size_t operator()(const Address& a) const { return hash_of(a); }
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
  // Makes a neighbour one that the configuration names, or a stranger.
  void set_kept(Entry& e, bool keeps);
  void solicit(Entry& e, Time now);
  void on_timer(Entry& e, Time now);
  void drop_oldest(Entry& e);
  std::vector<buf::Slice> take_waiting(Entry& e);

  NeighbourLink& link_;
  TimerWheel& wheel_;
  Slab<Entry> entries_;
  std::array<Bucket, kBuckets> buckets_;
  std::unordered_map<Address, Kept, Hash> kept_;
  // Strangers, in the order in which they are dropped. Unresolved: the failed ones first, then
  // those that are asked for longest. Resolved: those that were unused longest.
  List<Entry, ByAge> unresolved_;
  List<Entry, ByAge> resolved_;
  size_t unresolved_count_ = 0;
  size_t resolved_count_ = 0;
  // Waiting packets, for strangers and for the others: the neighbours, longest wait first, and the
  // number of frames.
  std::array<List<Entry, ByWait>, 2> waiters_;
  std::array<size_t, 2> waiting_{};
  uint64_t evicted_ = 0;
  uint64_t undelivered_ = 0;
  uint64_t generation_ = 0;
};

struct Neighbours::Entry : ListHook<>, ListHook<ByAge>, ListHook<ByWait> {
  Entry(Neighbours& o, const Address& a, State s, bool k);
  bool resolved() const { return state != State::kIncomplete && state != State::kFailed; }
  bool known() const { return state == State::kReachable || state == State::kProbe; }

  Neighbours& owner;
  Address address;
  Mac mac{};
  State state;
  bool kept;  // named by the configuration
  uint8_t solicits = 0;
  Time used{};
  Time confirmed{};  // when an answer confirmed it
  Timer timer;
  std::vector<buf::Slice> waiting;  // takes memory only while something waits
};

}  // namespace sluice::ip
