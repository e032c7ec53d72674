#pragma once
// What a worker knows of the addresses that clients come from, while they have connections, and
// afterwards as long as there is something to remember.

#include <cstdint>
#include <unordered_map>

#include "base/list.h"
#include "config/guards.h"
#include "http/origin.h"

namespace sluice::relay {

class AddressTable {
 public:
  // Addresses without a connection that are remembered; the one that left first is forgotten first.
  static constexpr uint32_t kMaxRemembered = 4'096;

  struct Entry : ListHook<Entry> {
    uint64_t key = 0;  // relay/address_key.h
    uint32_t connections = 0;
    http::Origin origin;
  };

  // Everything referred to outlives the table.
  AddressTable(const Time& now, const config::Guards& guards) : now_(now), guards_(guards) {}
  AddressTable(const AddressTable&) = delete;

  // For a connection, which calls leave() at its end.
  Entry& enter(uint64_t key);
  void leave(Entry& entry);

  uint32_t remembered() const { return remembered_count_; }

 private:
  void forget(Entry& entry);

  const Time& now_;
  const config::Guards& guards_;
  std::unordered_map<uint64_t, Entry> entries_;
  List<Entry, Entry> remembered_;  // without a connection, the first that left first
  uint32_t remembered_count_ = 0;
};

}  // namespace sluice::relay
