#include "l4/registry.h"

#include <algorithm>
#include <bit>

#include "l4/header.h"

namespace sluice::l4 {

namespace {

uint8_t protocol_of(const config::Listener& l) {
  return static_cast<uint8_t>(l.protocol == config::Protocol::kUdp ? ip::Protocol::kUdp
                                                                   : ip::Protocol::kTcp);
}

}  // namespace

Registry::Registry(const ip::Host& host, std::span<const std::vector<Address>> sources,
                   stats::Worker& stats, Process& process, uint32_t self)
    : host_(host), stats_(stats), process_(process), self_(self) {
  for (size_t port = 0; port < sources.size(); ++port)
    for (const Address& a : sources[port]) sources_.push_back({a, port});
}

void Registry::adopt(const config::Snapshot& snapshot) {
  for (Vip& v : vips_) {
    v.live = false;
    v.maglev = nullptr;  // the previous snapshot's
  }
  for (Pod& p : pods_) p.live = false;
  foreign_.clear();
  for (const config::Listener& l : snapshot.listeners) {
    if (l.forwards_packets()) {
      adopt_vip(l, snapshot.services[l.service]);
    } else {
      foreign_.push_back(l.address);
    }
  }
  forget_unused();
  index();
}

void Registry::adopt_pod(const config::Pod& config) {
  if (config.slot >= pods_.size()) pods_.resize(config.slot + size_t{1});
  Pod& pod = pods_[config.slot];
  if (pod.endpoint != config.endpoint) {  // another pod had the slot
    pod.flush = false;
    pod.turn = {Pod::kNoTurn, Pod::kNoTurn};
  }
  pod.endpoint = config.endpoint;
  pod.live = true;
  pod.sources.clear();
  const auto port = host_.port_to(pod.endpoint.address);
  for (size_t s = 0; s < sources_.size(); ++s)
    if (port == sources_[s].port && sources_[s].address.is_v4() == pod.endpoint.address.is_v4())
      pod.sources.push_back(static_cast<uint16_t>(s));
}

// One VIP for an endpoint, even while flows of a listener that left use it: packets have no other
// way to say whose they are.
Vip& Registry::place_for(const Endpoint& address, uint8_t protocol) {
  auto at = std::find_if(vips_.begin(), vips_.end(), [&](const Vip& v) {
    return v.address == address && v.protocol == protocol;
  });
  if (at == vips_.end())
    at = std::find_if(vips_.begin(), vips_.end(), [](const Vip& v) { return v.protocol == 0; });
  if (at == vips_.end()) at = vips_.emplace(at);
  return *at;
}

void Registry::adopt_vip(const config::Listener& l, const config::Service& service) {
  const uint8_t protocol = protocol_of(l);
  Vip& vip = place_for(l.address, protocol);
  vip.address = l.address;
  vip.protocol = protocol;
  vip.hash = hash_of_place(l.address, protocol);
  if (vip.slot != l.slot && vip.flows > 0) {
    // The listener has another name now. Its flows count for that.
    stats_.listener(vip.slot).active_connections.sub(vip.flows);
    stats_.listener(l.slot).active_connections.add(vip.flows);
  }
  vip.slot = l.slot;
  vip.live = true;
  vip.pods.clear();
  vip.members.clear();
  for (const config::Pod& p : service.pods) {
    adopt_pod(p);
    vip.pods.push_back(static_cast<uint16_t>(p.slot));
    if (p.slot / 64 >= vip.members.size()) vip.members.resize(p.slot / 64 + 1);
    vip.members[p.slot / 64] |= uint64_t{1} << p.slot % 64;
  }
  vip.maglev = service.table.maglev.get();
  vip.limits = l.l4;
}

bool Registry::has_departed() const {
  return std::any_of(vips_.begin(), vips_.end(),
                     [](const Vip& v) { return v.protocol != 0 && !v.live; });
}

bool Registry::has_flushes() const {
  return std::any_of(pods_.begin(), pods_.end(), [](const Pod& p) { return p.flush; }) ||
         std::any_of(vips_.begin(), vips_.end(),
                     [](const Vip& v) { return v.limits.leaving_pods == config::Leaving::kFlush; });
}

// A worker without flows of the VIP still takes packets of those that others have, and answers for
// the address.
bool Registry::forget_unused() {
  bool gone = false;
  for (Vip& v : vips_) {
    if (v.live || v.protocol == 0 || process_.has_flows(v.hash)) continue;
    v = {};
    gone = true;
  }
  if (gone) index();
  return gone;
}

void Registry::index() {
  ++generation_;
  const auto present = [](const Vip& v) { return v.protocol != 0; };
  const auto vips = std::count_if(vips_.begin(), vips_.end(), present);
  places_.clear();
  pod_endpoints_.clear();
  shares_ = false;
  if (vips == 0) return;
  places_.resize(
      std::bit_ceil((static_cast<size_t>(vips) + foreign_.size() + sources_.size()) * 4));
  for (size_t i = 0; i < vips_.size(); ++i)
    if (present(vips_[i]))
      insert_listener(vips_[i].address, vips_[i].protocol,
                      {Place::Kind::kVip, static_cast<uint16_t>(i)});
  for (const Endpoint& e : foreign_) insert_listener(e, kTcp, {});
  for (size_t i = 0; i < sources_.size(); ++i)
    insert({sources_[i].address, 0}, 0, {Place::Kind::kSource, static_cast<uint16_t>(i)});
  if (!shares_) return;
  for (const Pod& p : pods_) pod_endpoints_.push_back(p.endpoint);
  std::sort(pod_endpoints_.begin(), pod_endpoints_.end());
}

// At a source address and a port of L4's range flows may have begun before the listener came.
void Registry::insert_listener(const Endpoint& local, uint8_t protocol, Place place) {
  const auto source = std::find_if(sources_.begin(), sources_.end(),
                                   [&](const Source& s) { return s.address == local.address; });
  if (source != sources_.end() && local.port >= kFirstSourcePort && local.port <= kLastSourcePort) {
    shares_ = true;
    place = {.kind = Place::Kind::kSource,
             .index = static_cast<uint16_t>(source - sources_.begin()),
             .shared = true,
             .listener = place.kind,
             .vip = place.index};
  }
  insert(local, protocol, place);
}

void Registry::insert(const Endpoint& local, uint8_t protocol, Place place) {
  size_t i = hash_of_place(local, protocol) & (places_.size() - 1);
  for (; places_[i].used; i = (i + 1) & (places_.size() - 1))
    if (places_[i].local == local && places_[i].protocol == protocol) return;
  places_[i] = {local, protocol, true, place};
}

std::vector<Address> Registry::vip_addresses() const {
  std::vector<Address> all;
  for (const Vip& v : vips_)
    if (v.protocol != 0) all.push_back(v.address.address);
  return all;
}

}  // namespace sluice::l4
