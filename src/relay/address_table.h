#pragma once
// What a worker knows of the addresses that clients come from, while they have connections, and
// afterwards as long as there is something to remember.

#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "base/list.h"
#include "base/slab.h"
#include "config/guards.h"
#include "http/origin.h"

namespace sluice::relay {

class Holder;

// All clients of one address together: of an IPv4 address, or of the /64 of an IPv6 address, which
// one host has to choose from. Who holds memory is in a list of Holders by weight; an address
// without connections holds none, and is in the list of those that are remembered.
struct ClientAddress : ListHook<> {
  uint64_t key = 0;  // relay/address_key.h
  uint64_t hash = 0;
  ClientAddress* next = nullptr;  // in its chain of the table
  uint32_t connections = 0;       // and what they left behind

  http::Origin origin;

  // What is kept for its connections (relay/holder.h).
  uint32_t leftovers = 0;
  uint32_t weight = 0;
  uint8_t rank = 0;  // of the list that it is in, while it has weight
  // The sums over its holders of weight times since, and weight times since squared, modulo 2^64:
  // what the score of all of them together is at any time follows.
  uint64_t moment = 0;
  uint64_t second_moment = 0;
  uint64_t heap = 0;     // bytes
  List<Holder> holders;  // that have weight; the longest without progress first
};

class AddressTable {
 public:
  // Addresses without a connection that are remembered; the one that left first is forgotten first.
  static constexpr uint32_t kMaxRemembered = 4'096;

  // Everything referred to outlives the table. key: secret, so that no client can choose addresses
  // that collide.
  AddressTable(const Time& now, const config::Guards& guards, const SipKey& key)
      : now_(now), guards_(guards), key_(key) {}
  AddressTable(const AddressTable&) = delete;

  // For a connection, which calls leave() at its end.
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
  std::vector<ClientAddress*> chains_ = std::vector<ClientAddress*>(64);  // a power of two
  List<ClientAddress> remembered_;  // without a connection, the first that left first
  uint32_t remembered_count_ = 0;
};

}  // namespace sluice::relay
