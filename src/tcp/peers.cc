#include "tcp/peers.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

namespace sluice::tcp {

Peers::Peers(size_t max, const SipKey& key, Process* process)
    : key_(key),
      process_(process),
      mask_(std::bit_ceil(max) - 1),
      // A bucket is a pointer.
      pages_((mask_ + 1) * sizeof(Peer*)),  // NOLINT(bugprone-sizeof-expression)
      buckets_(static_cast<Peer**>(pages_.get())) {}

Address Peers::network_of(const Address& a) {
  if (a.is_v4()) return a;
  Address network = a;
  std::fill(network.bytes.begin() + 8, network.bytes.end(), uint8_t{0});
  return network;
}

Peer** Peers::bucket_of(const Address& network) const {
  return &buckets_[table_hash(key_, std::span<const uint8_t, 16>(network.bytes)) & mask_];
}

uint64_t Peers::shared_hash(const Address& network) const {
  return table_hash(process_->key, std::span<const uint8_t, 16>(network.bytes));
}

bool Peers::reserve(const Address& remote, uint32_t limit) {
  if (process_ != nullptr) return process_->clients.add(shared_hash(network_of(remote)), limit);
  return limit == 0 || connections_of(remote) < limit;
}

void Peers::cancel(const Address& remote) {
  if (process_ != nullptr) process_->clients.remove(shared_hash(network_of(remote)));
}

void Peers::place(Peer& peer) {
  peer.unlink();
  const size_t n = std::min<size_t>(peer.connections, kExact);
  by_count_[n].push_back(peer);
  most_ = std::max(most_, n);
}

void Peers::add(PeerMember& member, const Address& remote) {
  assert(member.peer == nullptr);
  const Address network = network_of(remote);
  Peer** const bucket = bucket_of(network);
  Peer* peer = *bucket;
  while (peer != nullptr && peer->network != network) peer = peer->next;
  if (peer == nullptr) {
    peer = peers_.create(network);
    peer->next = *bucket;
    *bucket = peer;
  }
  ++peer->connections;
  ++connections_;
  member.peer = peer;
  peer->members.push_back(member);
  place(*peer);
}

void Peers::remove(PeerMember& member) {
  if (member.peer == nullptr) return;
  Peer& peer = *std::exchange(member.peer, nullptr);
  member.unlink();
  --connections_;
  cancel(peer.network);
  if (--peer.connections > 0) {
    place(peer);
    return;
  }
  Peer** at = bucket_of(peer.network);
  while (*at != &peer) at = &(*at)->next;
  *at = peer.next;
  peers_.destroy(&peer);
}

uint32_t Peers::connections_of(const Address& remote) const {
  const Address network = network_of(remote);
  for (const Peer* p = *bucket_of(network); p != nullptr; p = p->next)
    if (p->network == network) return p->connections;
  return 0;
}

Peer* Peers::largest() {
  while (most_ > 0 && by_count_[most_].empty()) --most_;
  return most_ == 0 ? nullptr : &by_count_[most_].front();
}

}  // namespace sluice::tcp
