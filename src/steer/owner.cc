#include "steer/owner.h"

#include <algorithm>

#include "flow/key.h"

namespace sluice::steer {

namespace {

// The purpose of this hash, so that it is independent of other uses of the secret.
constexpr uint64_t kPurpose = 0x73746565'72000000;

// Tables that no hash could use are as good as none.
bool usable(const Rss& rss, unsigned workers) {
  const size_t n = rss.workers.size();
  return rss.key.size() >= Toeplitz::kLeastKey && n != 0 && (n & (n - 1)) == 0 &&
         std::all_of(rss.workers.begin(), rss.workers.end(),
                     [&](uint16_t w) { return w < workers; });
}

}  // namespace

Owner::Owner(unsigned workers, const SipKey& secret, std::span<const OwnerPort> ports,
             EphemeralPorts ephemeral)
    : workers_(workers),
      secret_{mix64(secret.k0 ^ kPurpose), mix64(secret.k1 ^ kPurpose)},
      ephemeral_(ephemeral) {
  for (const OwnerPort& p : ports) {
    Port& port = ports_.emplace_back();
    port.addresses = p.addresses;
    if (p.rss && usable(*p.rss, workers)) port.scaling.emplace(*p.rss);
  }
}

bool Owner::in_shares(const Endpoint& local) const {
  if (local.port < ephemeral_.first || local.port > ephemeral_.last) return false;
  return std::any_of(ports_.begin(), ports_.end(), [&](const Port& port) {
    return std::any_of(port.addresses.begin(), port.addresses.end(),
                       [&](const Prefix& p) { return p.address == local.address; });
  });
}

const Owner::Scaling* Owner::scaling_of(const Address& local) const {
  const Port* home = nullptr;
  for (const Port& port : ports_) {
    const bool on_link = std::any_of(port.addresses.begin(), port.addresses.end(),
                                     [&](const Prefix& p) { return p.contains(local); });
    if (on_link) {
      home = &port;
      break;
    }
    if (home == nullptr && port.scaling) home = &port;
  }
  return home != nullptr && home->scaling && home->scaling->hashes(local) ? &*home->scaling
                                                                          : nullptr;
}

Owner::Arrivals Owner::arrivals(const Address& local, const Endpoint& remote) const {
  Arrivals a;
  a.scaling_ = scaling_of(local);
  if (!a) return a;
  a.v4_ = local.is_v4();
  a.hash_ = a.scaling_->toeplitz.hash(remote, {local, 0});
  return a;
}

unsigned Owner::by_hash(const Endpoint& local, const Endpoint& remote) const {
  if (const Scaling* s = scaling_of(local.address))
    return s->workers[s->toeplitz.hash(remote, local) & (s->workers.size() - 1)];
  const uint32_t hash = flow::hash(secret_, {.remote = remote, .local = local});
  return static_cast<unsigned>(uint64_t{hash} * workers_ >> 32);
}

}  // namespace sluice::steer
