#pragma once
// The clients' addresses that a worker knows: those with connections, and afterwards those of which
// there is something to remember.

#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "base/list.h"
#include "base/slab.h"
#include "config/guards.h"
#include "http/origin.h"

namespace sluice::relay {

class Holder;

// All clients of one address together: of an IPv4 address, or of an IPv6 /64, since one host may
// take any address of its /64. An address that holds memory is in a list of Holders by weight. An
// address without connections holds none; it is in the list of remembered addresses.
struct ClientAddress : ListHook<> {
  uint64_t key = 0;  // relay/address_key.h
  uint64_t hash = 0;
  ClientAddress* next = nullptr;  // in its chain of the hash table
  uint32_t connections = 0;       // and calls that connections left behind

  http::Origin origin;

  // The memory kept for its connections (relay/holder.h).
  uint32_t leftovers = 0;
  uint32_t weight = 0;
  uint8_t rank = 0;  // of the list that it is in, while it has weight
  // Sums over its holders of weight times since, and of weight times since squared, modulo 2^64.
  // The score of all its holders together, at any time, follows from the two.
  uint64_t moment = 0;
  uint64_t second_moment = 0;
  uint64_t heap = 0;     // bytes
  List<Holder> holders;  // those that have weight; the longest without progress first
};

class AddressTable {
 public:
  // Addresses without a connection that are remembered. The address that left first is forgotten
  // first.
  static constexpr uint32_t kMaxRemembered = 4'096;

  // Everything referred to outlives the table. key: secret, so that no client can choose addresses
  // that collide.
  AddressTable(const Time& now, const config::Guards& guards, const SipKey& key)
      : now_(now), guards_(guards), key_(key) {}
  AddressTable(const AddressTable&) = delete;

  // For a new connection. The connection calls leave() at its end.
  ClientAddress& enter(uint64_t key);
  void leave(ClientAddress& address);

  uint32_t remembered() const { return remembered_count_; }

 private:
  ClientAddress& find(uint64_t key);
  void forget(ClientAddress& address);
  ClientAddress*& chain(uint64_t hash) { return chains_[hash & (chains_.size() - 1)]; }
  void grow();

  const Time& now_;
  const config::Guards& guards_;
  const SipKey key_;
  Slab<ClientAddress> addresses_;
  std::vector<ClientAddress*> chains_ = std::vector<ClientAddress*>(64);  // size: a power of two
  List<ClientAddress> remembered_;  // without a connection; the one that left first stands first
  uint32_t remembered_count_ = 0;
};

}  // namespace sluice::relay
