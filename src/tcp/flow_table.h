#pragma once
// The flow table of TCP: its entry for a four-tuple is a connection, a handshake under way or a
// TIME_WAIT record.

#include <cassert>
#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/hash.h"
#include "flow/table.h"
#include "ip/output.h"

namespace sluice::tcp {

inline flow::Key flow_key(const Endpoint& local, const Endpoint& remote) {
  return {remote, local, static_cast<uint8_t>(ip::Protocol::kTcp)};
}

// Base of every entry in the table.
class Flow {
 public:
  enum class Kind : uint8_t { kConnection, kHalfOpen, kTimeWait };

  const flow::Key& key() const { return key_; }
  const Endpoint& local() const { return key_.local; }
  const Endpoint& remote() const { return key_.remote; }
  Kind kind() const { return kind_; }

 protected:
  Flow(Kind kind, const Endpoint& local, const Endpoint& remote)
      : key_(flow_key(local, remote)), kind_(kind) {}
  ~Flow() = default;

 private:
  friend class FlowTable;
  const flow::Key key_;
  const Kind kind_;
  uint32_t hash_ = 0;  // set by the table
};

class FlowTable {
 public:
  // capacity: the largest number of flows.
  FlowTable(size_t capacity, const SipKey& secret) : table_(capacity, secret) {}

  Flow* find(const Endpoint& local, const Endpoint& remote) const {
    return flow_of(table_.find(flow_key(local, remote)));
  }
  // As in flow::Table.
  void begin(flow::Lookup& lookup, const flow::Lookup* before) const {
    table_.begin(lookup, before);
  }
  const Flow* candidate(const flow::Lookup& lookup) const {
    return flow_of(table_.candidate(lookup));
  }
  Flow* find(const flow::Lookup& lookup) const { return flow_of(table_.find(lookup)); }

  // The tuple must not be in the table, and the table must not be full.
  void insert(Flow& flow) {
    flow.hash_ = table_.hash(flow.key());
    assert(table_.find(flow.hash_, flow.key()) == nullptr);
    table_.insert({&flow, flow.hash_});
  }
  // The flow must be in the table.
  void erase(Flow& flow) {
    Slot* slot = table_.find(flow.hash_, flow.key());
    assert(slot != nullptr && slot->flow == &flow);
    table_.erase(*slot);
  }
  size_t size() const { return table_.size(); }

  // Calls fn(Flow&) for every flow; fn must not insert or erase.
  template <class Fn>
  void for_each(Fn&& fn) {
    table_.for_each([&](const Slot& s) { fn(*s.flow); });
  }

 private:
  struct Slot {
    Flow* flow = nullptr;
    uint32_t flow_hash = 0;

    bool empty() const { return flow == nullptr; }
    uint32_t hash() const { return flow_hash; }
    bool belongs_to(const flow::Key& key) const { return flow->key() == key; }
  };
  static Flow* flow_of(const Slot* s) { return s == nullptr ? nullptr : s->flow; }

  flow::Table<Slot> table_;
};

}  // namespace sluice::tcp
