#include "relay/address_table.h"

namespace sluice::relay {

AddressTable::Entry& AddressTable::enter(uint64_t key) {
  Entry& entry = entries_[key];
  entry.key = key;
  if (static_cast<ListHook<Entry>&>(entry).linked()) {
    static_cast<ListHook<Entry>&>(entry).unlink();
    --remembered_count_;
  }
  ++entry.connections;
  return entry;
}

void AddressTable::leave(Entry& entry) {
  if (--entry.connections > 0) return;
  if (entry.origin.worth_keeping(guards_, now_)) {
    remembered_.push_back(entry);
    if (++remembered_count_ > kMaxRemembered) forget(remembered_.front());
  } else {
    entries_.erase(entry.key);
  }
  // Each one that leaves looks at two that left before, so that the old ones go.
  for (int i = 0; i < 2 && !remembered_.empty(); ++i) {
    Entry& oldest = remembered_.front();
    if (oldest.origin.worth_keeping(guards_, now_)) break;
    forget(oldest);
  }
}

void AddressTable::forget(Entry& entry) {
  --remembered_count_;
  entries_.erase(entry.key);
}

}  // namespace sluice::relay
