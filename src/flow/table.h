#pragma once
// A table from a flow's key to the state that its user keeps for the flow. Open addressing with
// linear probing and backward-shift deletion, sized once: a lookup costs the same at a thousand and
// at a million entries, and no insertion ever rehashes.

#include <bit>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/hash.h"
#include "base/pages.h"
#include "flow/key.h"

namespace sluice::flow {

// The entry of a slot: a whole flow, or a pointer to one. The table copies entries when it closes a
// gap. Zero bytes are an empty entry. `hash(secret, key)` is found for each type of key.
template <class E, class K>
concept Entry = std::is_trivially_copyable_v<E> && requires(const E& e, const K& key) {
  { e.empty() } -> std::same_as<bool>;
  { e.hash() } -> std::same_as<uint32_t>;       // hash(secret, key) of the entry's key
  { e.belongs_to(key) } -> std::same_as<bool>;  // called only when the hash is equal
};

// A packet of a burst, on its way to its entry.
template <class K>
struct LookupOf {
  K key;
  uint32_t hash = 0;  // filled by Table::begin
};
using Lookup = LookupOf<Key>;

// Secret: of hash(secret, key).
template <class E, class K = Key, class Secret = SipKey>
requires Entry<E, K>
class Table {
 public:
  // capacity: the largest number of entries. The table has twice as many slots, so that probes stay
  // short. A large capacity costs memory only as far as it is used.
  Table(size_t capacity, const Secret& secret)
      : capacity_(capacity),
        mask_(std::bit_ceil(capacity * 2) - 1),
        secret_(secret),
        pages_((mask_ + 1) * sizeof(E)),
        slots_(static_cast<E*>(pages_.get())) {}

  uint32_t hash(const K& key) const {
    using flow::hash;  // or that of the key's own room
    return hash(secret_, key);
  }

  // nullptr when there is no entry. The result is valid until the next erase().
  E* find(const K& key) const { return find(hash(key), key); }
  E* find(uint32_t hash, const K& key) const {
    for (size_t i = hash & mask_;; i = (i + 1) & mask_) {
      E& e = slots_[i];
      if (e.empty()) return nullptr;
      if (e.hash() == hash && e.belongs_to(key)) return &e;
    }
  }

  // The steps of find() for a burst. A table of a million flows is in no cache, but the memory for
  // a burst can be fetched all at once. begin() for each packet computes the hash and prefetches
  // the slot. candidate() for each packet then reads the slot, so that the user can prefetch the
  // target of an entry. find() for each packet comes last. `before`: the packet ahead, which often
  // is of the same flow; may be null.
  void begin(LookupOf<K>& lookup, const LookupOf<K>* before) const {
    lookup.hash = before != nullptr && before->key == lookup.key ? before->hash : hash(lookup.key);
    __builtin_prefetch(&slots_[lookup.hash & mask_]);
  }
  // The most likely result of find(); nullptr when find() will certainly return none.
  const E* candidate(const LookupOf<K>& lookup) const {
    for (size_t i = lookup.hash & mask_;; i = (i + 1) & mask_) {
      const E& e = slots_[i];
      if (e.empty()) return nullptr;
      if (e.hash() == lookup.hash) return &e;
    }
  }
  E* find(const LookupOf<K>& lookup) const { return find(lookup.hash, lookup.key); }

  // The entry's key must not be in the table, and the table must not be full.
  void insert(const E& entry) {
    assert(!full() && !entry.empty());
    size_t i = entry.hash() & mask_;
    while (!slots_[i].empty()) i = (i + 1) & mask_;
    slots_[i] = entry;
    ++size_;
  }

  // `entry` is the table's own, as find() returned it.
  void erase(E& entry) {
    assert(&entry >= slots_ && &entry <= slots_ + mask_ && !entry.empty());
    // Moves back the entries that the hole would hide, so that no tombstones pile up.
    auto hole = static_cast<size_t>(&entry - slots_);
    for (size_t i = (hole + 1) & mask_; !slots_[i].empty(); i = (i + 1) & mask_) {
      const size_t home = slots_[i].hash() & mask_;
      if (((i - home) & mask_) >= ((i - hole) & mask_)) {
        slots_[hole] = slots_[i];
        hole = i;
      }
    }
    slots_[hole] = E{};
    --size_;
  }

  bool full() const { return size_ >= capacity_; }
  size_t size() const { return size_; }

  size_t slots() const { return mask_ + 1; }
  // The entry of a slot below slots(); may be empty. For sweeps that take turns with lookups.
  E& slot(size_t i) { return slots_[i]; }

  // fn(E&) for every entry; fn must not insert or erase.
  template <class Fn>
  void for_each(Fn&& fn) {
    for (size_t i = 0; i <= mask_; ++i)
      if (!slots_[i].empty()) fn(slots_[i]);
  }

 private:
  size_t capacity_;
  size_t mask_;
  size_t size_ = 0;
  Secret secret_;
  Pages pages_;  // memory of slots_
  E* slots_;
};

}  // namespace sluice::flow
