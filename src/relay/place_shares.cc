#include "relay/place_shares.h"

#include <algorithm>

namespace sluice::relay {

void PlaceShares::clear() {
  addresses_.clear();
  clients_.clear();
  share_ = UINT32_MAX;
  taken_ = capacity_ = kept_free_ = 0;
}

void PlaceShares::restart(Time now) {
  now_ = now;
  taken_ = 0;
  addresses_.clear();
  for (auto c = clients_.begin(); c != clients_.end();) {
    if (now - c->second.seen > kKept) {
      c = clients_.erase(c);
      continue;
    }
    c->second.places = 0;
    ++addresses_[c->second.address].clients;
    ++c;
  }
}

PlaceShares::Client& PlaceShares::find(uint64_t address, uint64_t client) {
  const auto [it, fresh] = clients_.try_emplace(client);
  if (fresh) {
    it->second.address = address;
    ++addresses_[address].clients;
  }
  it->second.seen = now_;
  return it->second;
}

void PlaceShares::count_place(uint64_t address, uint64_t client) {
  ++taken_;
  ++find(address, client).places;
  ++addresses_[address].places;
}

void PlaceShares::settle(uint64_t capacity) {
  const uint64_t n = std::max<uint64_t>(addresses_.size(), 1);
  share_ = static_cast<uint32_t>(std::clamp<uint64_t>(capacity / n, 1, UINT32_MAX));
  capacity_ = capacity;
  kept_free_ = std::max(n, capacity / 8);
}

void PlaceShares::left(uint64_t address, uint64_t client) {
  const auto it = clients_.find(client);
  if (it == clients_.end() || it->second.places == 0) return;
  --taken_;
  --it->second.places;
  --addresses_[address].places;
}

uint32_t PlaceShares::share_of(const Address& a) const {
  return std::max(share_ / std::max(a.clients, 1u), 1u);
}

bool PlaceShares::may_take(uint64_t address, uint64_t client) const {
  if (taken_ + kept_free_ < capacity_) return true;
  const auto a = addresses_.find(address);
  if (a == addresses_.end()) return true;
  const auto c = clients_.find(client);
  return c == clients_.end() || c->second.places < share_of(a->second);
}

uint32_t PlaceShares::owed(uint64_t client) const {
  const auto c = clients_.find(client);
  if (c == clients_.end()) return 0;
  const uint32_t share = share_of(addresses_.at(c->second.address));
  return share > c->second.places ? share - c->second.places : 0;
}

PlaceShares::Excess PlaceShares::most_beyond() const {
  // Addresses beyond their share come before connections beyond theirs.
  const bool address_beyond = std::any_of(addresses_.begin(), addresses_.end(),
                                          [&](const auto& a) { return a.second.places > share_; });
  Excess most;
  for (const auto& [id, client] : clients_) {
    const Address& a = addresses_.at(client.address);
    if (address_beyond && a.places <= share_) continue;
    const uint32_t share = share_of(a);
    if (client.places > share && client.places - share > most.places)
      most = {id, client.places - share};
  }
  return most;
}

}  // namespace sluice::relay
