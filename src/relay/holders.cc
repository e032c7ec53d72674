#include "relay/holders.h"

#include "relay/client_connection.h"

namespace sluice::relay {

namespace {

Address one_host(Address a) {
  if (!a.is_v4()) std::fill(a.bytes.begin() + 8, a.bytes.end(), uint8_t{0});
  return a;
}

}  // namespace

Holder& Holders::open(const Address& from, ClientConnection& client) {
  HoldingAddress& a = find(one_host(from));
  ++a.connections;
  return *holders_.create(*this, a, client);
}

void Holders::destroy(Holder& h, HoldingAddress& a) {
  holders_.destroy(&h);
  if (--a.connections > 0) return;
  HoldingAddress** at = &chain(a.hash);
  while (*at != &a) at = &(*at)->next;
  *at = a.next;
  addresses_.destroy(&a);
}

HoldingAddress& Holders::find(const Address& from) {
  const uint64_t hash = table_hash(key_, std::span(from.bytes));
  for (HoldingAddress* a = chain(hash); a != nullptr; a = a->next)
    if (a->address == from) return *a;
  if (addresses_.live() >= chains_.size()) grow();
  HoldingAddress& a = *addresses_.create();
  a.address = from;
  a.hash = hash;
  a.next = std::exchange(chain(hash), &a);
  return a;
}

void Holders::grow() {
  std::vector<HoldingAddress*> before(chains_.size() * 2);
  before.swap(chains_);
  for (HoldingAddress* a : before)
    while (a != nullptr) {
      HoldingAddress* const next = a->next;
      a->next = std::exchange(chain(a->hash), a);
      a = next;
    }
}

void Holders::place(HoldingAddress& a) {
  a.unlink();
  if (a.weight == 0) return;
  a.rank = rank_of(a.weight);
  ranks_[a.rank].push_back(a);
}

void Holders::to_back(HoldingAddress& a) {
  a.unlink();
  ranks_[a.rank].push_back(a);
}

HoldingAddress* Holders::worst_address() {
  HoldingAddress* worst = nullptr;
  for (auto& rank : ranks_) {
    unsigned looks = 0;
    for (HoldingAddress& a : rank) {
      if (worst == nullptr || score(a) > score(*worst)) worst = &a;
      if (++looks == kLooks) break;
    }
  }
  return worst;
}

ClientConnection* Holders::worst() {
  for (unsigned tries = 0; tries < kTries; ++tries) {
    HoldingAddress* a = worst_address();
    if (a == nullptr) return nullptr;
    const uint64_t expected = score(*a);
    // What TCP has got rid of since the last look is still counted. A look may move a holder to the
    // end of the list, or out of it.
    Holder* worst = nullptr;
    unsigned looks = 0;
    for (Holder& h : a->holders) {
      h.client()->look();
      if (h.weight() > 0 && (worst == nullptr || h.score() > worst->score())) worst = &h;
      if (++looks == kLooks) break;
    }
    if (worst != nullptr && score(*a) >= expected / 2) return worst->client();
  }
  return nullptr;
}

}  // namespace sluice::relay
