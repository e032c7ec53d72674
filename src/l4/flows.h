#pragma once
// The flows of one worker: one or two entries each, their expiry by state, and eviction where the
// table is full.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/chrono.h"
#include "base/function_ref.h"
#include "config/l4.h"
#include "flow/table.h"
#include "l4/flow.h"

namespace sluice::l4 {

class Flows {
 public:
  using Lookup = flow::LookupOf<FlowKey>;
  // The whole table is looked through once in this time.
  static constexpr Duration kSweep = 5s;

  // capacity: flows of two entries.
  Flows(size_t capacity, const SipKey& secret)
      : capacity_(capacity), hash_(secret), table_(capacity * 2, hash_) {}

  // Takes all memory of the empty table from the operating system now. A page of 2 MiB takes it a
  // millisecond or more, which new flows would wait for.
  void touch() {
    for (size_t i = 0; i < table_.slots(); i += kTouched) table_.slot(i) = Flow{};
  }

  // The memory of the table.
  std::span<Flow> memory() { return {&table_.slot(0), table_.slots()}; }

  void begin(Lookup& lookup, const Lookup* before) const { table_.begin(lookup, before); }
  // begin() in two steps: the user computes the lookup's hash.
  const FlowHash& hash() const { return hash_; }
  void prefetch(uint32_t hash) { __builtin_prefetch(&table_.slot(hash & (table_.slots() - 1))); }
  // Results are valid until the next erase().
  Flow* find(const Lookup& lookup) { return table_.find(lookup); }
  Flow* find(const FlowKey& key) { return table_.find(key); }

  // The slots of the table, and the client's entry in one; nullptr: it has none.
  size_t slots() const { return table_.slots(); }
  Flow* client_at(size_t slot) {
    Flow& f = table_.slot(slot);
    return f.empty() || f.side != Side::kClient ? nullptr : &f;
  }
  bool full() const { return table_.size() + 2 > capacity_ * 2; }
  size_t size() const { return size_; }
  size_t half_open() const { return half_open_; }

  // There is room. `flow` is the client's entry, with all fields but hash_value; the pod's entry,
  // if the flow has one, is its mirror.
  void insert(const Flow& flow);
  // All entries of a flow.
  void erase(const Flow& flow);
  void set_state(Flow& flow, FlowState state);

  // A flow that may make room for a new one, out of a sample that begins at `seed`: one whose
  // client has proved nothing, else one that is over, else one that has been silent for long.
  // nullptr: all are in use. A small sample suffices: under a flood most flows prove nothing.
  const Flow* victim(uint64_t seed, Time now);

  // Looks through the part of the table that is due after `elapsed`, erases the silent flows, and
  // calls forget(flow) for each.
  void sweep(Duration elapsed, const config::FlowTimeouts& timeouts, Time now,
             FunctionRef<void(const Flow&)> forget);

  // The entry for the other direction; nullptr: there is none.
  Flow* partner_of(const Flow& flow) {
    return flow.one_way() ? nullptr : table_.find(flow.partner());
  }
  // The time since the last packet of either side.
  Duration silent_for(const Flow& flow, Time now);
  // Whether the flow is an answered one of UDP that is silent for longer than exchanges take.
  bool spent(const Flow& flow, Time now) {
    return flow.state == FlowState::kUdpAnswered && silent_for(flow, now) > kLongSilenceOfUdp;
  }

  static uint32_t stamp(Time now) {
    return static_cast<uint32_t>(now.time_since_epoch().count() / 1'000'000);
  }

 private:
  static constexpr size_t kTouched = 4096 / sizeof(Flow);  // slots of the smallest page
  static constexpr size_t kSample = 64;
  static constexpr Duration kLongSilence = 60s;
  static constexpr Duration kLongSilenceOfUdp = 5s;  // most exchanges are a question and an answer

  size_t capacity_;
  FlowHash hash_;
  flow::Table<Flow, FlowKey, FlowHash> table_;
  size_t size_ = 0;
  size_t half_open_ = 0;
  size_t swept_ = 0;  // the next slot
};

}  // namespace sluice::l4
