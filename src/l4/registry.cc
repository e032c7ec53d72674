#include "l4/registry.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"

namespace sluice::l4 {

namespace {

constexpr auto kTcp = static_cast<uint8_t>(ip::Protocol::kTcp);

uint8_t protocol_of(const config::Listener& l) {
  return static_cast<uint8_t>(l.protocol == config::Protocol::kUdp ? ip::Protocol::kUdp
                                                                   : ip::Protocol::kTcp);
}

uint64_t hash_of_place(const Endpoint& local, uint8_t protocol) {
  return mix64(hash_of(local.address) ^ (uint64_t{local.port} << 8 | protocol));
}

// The element that `same` names, else a free one, else a new one.
template <class T, class Same>
uint16_t place_for(std::vector<T>& all, Same&& same) {
  auto at = std::find_if(all.begin(), all.end(), same);
  if (at == all.end())
    at = std::find_if(all.begin(), all.end(), [](const T& t) { return !t.live && t.flows == 0; });
  if (at == all.end()) at = all.emplace(all.end());
  return static_cast<uint16_t>(at - all.begin());
}

TokenBucket limit(uint32_t per_second, unsigned workers) {
  if (per_second == 0) return {0, 1};
  const uint32_t share = std::max(1u, per_second / workers);
  return {share, share};
}

}  // namespace

Registry::Registry(const ip::Host& host, std::span<const std::vector<Address>> sources)
    : host_(host) {
  for (size_t port = 0; port < sources.size(); ++port)
    for (const Address& a : sources[port]) sources_.push_back({a, port});
}

void Registry::adopt(const config::Snapshot& snapshot, unsigned workers) {
  for (Vip& v : vips_) v.live = false;
  for (Pod& p : pods_) p.live = false;
  foreign_.clear();
  for (const config::Listener& l : snapshot.listeners) {
    if (config::is_l4(l.protocol)) {
      adopt_vip(l, snapshot.services[l.service], workers);
    } else {
      foreign_.push_back(l.address);
    }
  }
  forget_unused();
  index();
}

uint16_t Registry::enter(const config::Pod& config) {
  const uint16_t i = place_for(pods_, [&](const Pod& p) {
    return (p.live || p.flows > 0) && p.slot == config.slot && p.endpoint == config.endpoint;
  });
  Pod& pod = pods_[i];
  pod.endpoint = config.endpoint;
  pod.slot = config.slot;
  pod.live = true;
  pod.sources.clear();
  const auto port = host_.port_to(pod.endpoint.address);
  for (size_t s = 0; s < sources_.size(); ++s)
    if (port == sources_[s].port && sources_[s].address.is_v4() == pod.endpoint.address.is_v4())
      pod.sources.push_back(static_cast<uint16_t>(s));
  return i;
}

void Registry::adopt_vip(const config::Listener& l, const config::Service& service,
                         unsigned workers) {
  const uint8_t protocol = protocol_of(l);
  const uint16_t i = place_for(vips_, [&](const Vip& v) {
    return !v.live && v.protocol != 0 && v.slot == l.slot && v.address == l.address &&
           v.protocol == protocol;
  });
  Vip& vip = vips_[i];
  vip.address = l.address;
  vip.protocol = protocol;
  vip.slot = l.slot;
  vip.live = true;
  vip.pods.clear();
  std::vector<Maglev::Backend> backends;
  for (const config::Pod& p : service.pods) {
    if (p.endpoint.address.is_v4() != l.address.address.is_v4()) continue;
    vip.pods.push_back(enter(p));
    backends.push_back({mix64(hash_of(p.endpoint.address) ^ p.endpoint.port), p.weight});
  }
  vip.maglev = Maglev(backends);
  vip.new_flows = limit(l.l4.new_flows, workers);
  vip.sources.assign(l.l4.new_flows_per_source == 0 ? 0 : kSourceBuckets,
                     limit(l.l4.new_flows_per_source, workers));
}

bool Registry::forget_unused() {
  bool gone = false;
  for (Vip& v : vips_) {
    if (v.live || v.flows > 0 || v.protocol == 0) continue;
    v = {};
    gone = true;
  }
  if (gone) index();
  return gone;
}

void Registry::index() {
  const auto present = [](const Vip& v) { return v.protocol != 0; };
  const auto vips = std::count_if(vips_.begin(), vips_.end(), present);
  places_.clear();
  if (vips == 0) return;
  places_.resize(
      std::bit_ceil((static_cast<size_t>(vips) + foreign_.size() + sources_.size()) * 4));
  for (size_t i = 0; i < vips_.size(); ++i)
    if (present(vips_[i]))
      insert(vips_[i].address, vips_[i].protocol, {Place::Kind::kVip, static_cast<uint16_t>(i)});
  for (const Endpoint& e : foreign_) insert(e, kTcp, {});
  for (size_t i = 0; i < sources_.size(); ++i)
    insert({sources_[i].address, 0}, 0, {Place::Kind::kSource, static_cast<uint16_t>(i)});
}

void Registry::insert(const Endpoint& local, uint8_t protocol, Place place) {
  size_t i = hash_of_place(local, protocol) & (places_.size() - 1);
  for (; places_[i].used; i = (i + 1) & (places_.size() - 1))
    if (places_[i].local == local && places_[i].protocol == protocol) return;
  places_[i] = {local, protocol, true, place};
}

const Registry::Entry* Registry::lookup(const Endpoint& local, uint8_t protocol) const {
  size_t i = hash_of_place(local, protocol) & (places_.size() - 1);
  for (; places_[i].used; i = (i + 1) & (places_.size() - 1))
    if (places_[i].local == local && places_[i].protocol == protocol) return &places_[i];
  return nullptr;
}

Place Registry::find(const Endpoint& local, uint8_t protocol) const {
  if (places_.empty()) return {};
  if (const Entry* e = lookup(local, protocol)) return e->place;
  if (local.port < kFirstSourcePort || local.port > kLastSourcePort) return {};
  const Entry* e = lookup({local.address, 0}, 0);
  return e == nullptr ? Place{} : e->place;
}

std::vector<Address> Registry::vip_addresses() const {
  std::vector<Address> all;
  for (const Vip& v : vips_)
    if (v.protocol != 0) all.push_back(v.address.address);
  return all;
}

}  // namespace sluice::l4
