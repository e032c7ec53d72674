#pragma once
// Counts the clients' connections by address. A full table takes connections from the address that
// has the most. The counts of a worker's own connections are exact for it; the limit on the
// connections of one address holds for all workers of the process.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/pages.h"
#include "base/slab.h"
#include "tcp/process.h"

namespace sluice::tcp {

// The connections of one address, or of a /64 of IPv6, since a host can take addresses from a whole
// /64 (RFC 4291, 2.5.4).
struct Peer;

// A connection's entry among those of its peer.
struct PeerMember : ListHook<> {
  Peer* peer = nullptr;
};

struct Peer : ListHook<> {
  explicit Peer(const Address& a) : network(a) {}

  const Address network;
  uint32_t connections = 0;
  List<PeerMember> members;  // the member that was looked at longest ago is the first
  Peer* next = nullptr;      // in its bucket
};

class Peers {
 public:
  // max: the most connections at once, and so the most peers; a record is about 80 bytes. process:
  // of all workers; nullptr: there is only this one.
  Peers(size_t max, const SipKey& key, Process* process = nullptr);

  // Reserves a place for one more connection of the address, where the process may have `limit`
  // (0: no limit). add() or cancel() follows. False when there are so many already.
  bool reserve(const Address& remote, uint32_t limit);
  void cancel(const Address& remote);
  // The member must not belong to a peer yet.
  void add(PeerMember& member, const Address& remote);
  void remove(PeerMember& member);
  uint32_t connections_of(const Address& remote) const;
  size_t connections() const { return connections_; }
  // The peer with the most connections: exact up to kExact of them. nullptr when there is no peer.
  Peer* largest();

 private:
  // Above this number all peers count as equal: no honest peer is far above it alone.
  static constexpr size_t kExact = 1024;

  static Address network_of(const Address& a);
  uint64_t shared_hash(const Address& network) const;
  Peer** bucket_of(const Address& network) const;
  void place(Peer& peer);

  const SipKey key_;
  Process* const process_;
  const size_t mask_;
  size_t connections_ = 0;
  size_t most_ = 0;  // all lists above it are empty
  Pages pages_;      // memory of buckets_
  Peer** buckets_;
  Slab<Peer> peers_;
  std::array<List<Peer>, kExact + 1> by_count_;
};

}  // namespace sluice::tcp
