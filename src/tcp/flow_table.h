#pragma once
// From a four-tuple to what is known about it: a connection, a handshake under way or a TIME_WAIT
// record. Open addressing with linear probing and backward-shift deletion, sized once: a lookup
// costs the same at a thousand and at a million entries, and no insertion ever rehashes.

#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/hash.h"
#include "base/pages.h"

namespace sluice::tcp {

// Base of everything that stands in the table.
class Flow {
 public:
  enum class Kind : uint8_t { kConnection, kHalfOpen, kTimeWait };

  const Endpoint& local() const { return local_; }
  const Endpoint& remote() const { return remote_; }
  Kind kind() const { return kind_; }

 protected:
  Flow(Kind kind, const Endpoint& local, const Endpoint& remote)
      : local_(local), remote_(remote), kind_(kind) {}
  ~Flow() = default;

 private:
  friend class FlowTable;
  const Endpoint local_;
  const Endpoint remote_;
  const Kind kind_;
  uint32_t hash_ = 0;  // set by the table
};

class FlowTable {
 public:
  // capacity: the most flows ever in it. The hash is keyed: strangers choose remote addresses.
  FlowTable(size_t capacity, const SipKey& key);

  Flow* find(const Endpoint& local, const Endpoint& remote) const {
    return find(hash(local, remote), local, remote);
  }

  // The steps of find, for bursts: the table and the flows of a million connections are not in any
  // cache, but what a burst needs can be fetched all at once. prefetch() asks for the slot of a
  // hash; candidate() reads it, and answers the flow that find() will most likely look at.
  uint32_t hash(const Endpoint& local, const Endpoint& remote) const;
  void prefetch(uint32_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }
  const Flow* candidate(uint32_t hash) const;
  Flow* find(uint32_t hash, const Endpoint& local, const Endpoint& remote) const;

  // The tuple must not be in the table, and the table not full.
  void insert(Flow& flow);
  void erase(Flow& flow);
  bool full() const { return size_ >= capacity_; }
  size_t size() const { return size_; }

  template <class Fn>
  void for_each(Fn&& fn) {
    for (size_t i = 0; i <= mask_; ++i)
      if (slots_[i].flow != nullptr) fn(*slots_[i].flow);
  }

 private:
  struct Slot {
    Flow* flow;
    uint32_t hash;
  };

  size_t capacity_;
  size_t mask_;
  size_t size_ = 0;
  SipKey key_;
  Pages pages_;  // what slots_ lie in
  Slot* slots_;
};

}  // namespace sluice::tcp
