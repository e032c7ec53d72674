#include "relay/address_table.h"

#include <utility>

#include "base/byte_order.h"
#include "relay/holder.h"

namespace sluice::relay {

ClientAddress& AddressTable::enter(uint64_t key) {
  ClientAddress& address = find(key);
  if (address.connections == 0 && address.linked()) {
    address.unlink();
    --remembered_count_;
  }
  ++address.connections;
  return address;
}

void AddressTable::leave(ClientAddress& address) {
  if (--address.connections > 0) return;
  if (address.origin.worth_keeping(guards_, now_)) {
    remembered_.push_back(address);
    if (++remembered_count_ > kMaxRemembered) forget(remembered_.front());
  } else {
    forget(address);
  }
  // Each address that leaves looks at two that left earlier, so that old ones are forgotten.
  for (int i = 0; i < 2 && !remembered_.empty(); ++i) {
    ClientAddress& oldest = remembered_.front();
    if (oldest.origin.worth_keeping(guards_, now_)) break;
    forget(oldest);
  }
}

ClientAddress& AddressTable::find(uint64_t key) {
  uint8_t bytes[8];
  store_be64(bytes, key);
  const uint64_t hash = table_hash(key_, std::span<const uint8_t, 8>(bytes));
  for (ClientAddress* a = chain(hash); a != nullptr; a = a->next)
    if (a->key == key) return *a;
  if (addresses_.live() >= chains_.size()) grow();
  ClientAddress& a = *addresses_.create();
  a.key = key;
  a.hash = hash;
  a.next = std::exchange(chain(hash), &a);
  return a;
}

void AddressTable::forget(ClientAddress& address) {
  if (address.linked()) {
    address.unlink();
    --remembered_count_;
  }
  ClientAddress** at = &chain(address.hash);
  while (*at != &address) at = &(*at)->next;
  *at = address.next;
  addresses_.destroy(&address);
}

void AddressTable::grow() {
  std::vector<ClientAddress*> before(chains_.size() * 2);
  before.swap(chains_);
  for (ClientAddress* a : before)
    while (a != nullptr) {
      ClientAddress* const next = a->next;
      a->next = std::exchange(chain(a->hash), a);
      a = next;
    }
}

}  // namespace sluice::relay
