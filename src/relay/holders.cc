#include "relay/holders.h"

#include "relay/client_connection.h"

namespace sluice::relay {

Holder& Holders::open(uint64_t from, ClientConnection& client) {
  return *holders_.create(*this, addresses_.enter(from), client);
}

void Holders::destroy(Holder& h, ClientAddress& a) {
  holders_.destroy(&h);
  addresses_.leave(a);
}

void Holders::place(ClientAddress& a) {
  a.unlink();
  if (a.weight == 0) return;
  a.rank = rank_of(a.weight);
  ranks_[a.rank].push_back(a);
}

void Holders::to_back(ClientAddress& a) {
  a.unlink();
  ranks_[a.rank].push_back(a);
}

ClientAddress* Holders::worst_address() {
  ClientAddress* worst = nullptr;
  for (auto& rank : ranks_) {
    unsigned looks = 0;
    for (ClientAddress& a : rank) {
      if (worst == nullptr || score(a) > score(*worst)) worst = &a;
      if (++looks == kLooks) break;
    }
  }
  return worst;
}

ClientConnection* Holders::worst() {
  for (unsigned tries = 0; tries < kTries; ++tries) {
    ClientAddress* a = worst_address();
    if (a == nullptr) return nullptr;
    const uint64_t expected = score(*a);
    // Output that TCP has freed since the last look is still counted in the weight. A look may move
    // a holder to the end of the list, or out of the list.
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
