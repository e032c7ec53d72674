#include "l4/source_ports.h"

#include <algorithm>

#include "l4/header.h"

namespace sluice::l4 {

bool SourcePorts::arrives_here(const Endpoint& local, const Endpoint& remote) const {
  return owner_ == nullptr || !owner_->hashed_by_nic(local) ||
         owner_->by_hash(local, remote) == self_;
}

std::optional<SourcePorts::Found> SourcePorts::find(Pod& pod, uint8_t protocol,
                                                    const Registry& registry, Flows& flows,
                                                    Time now) {
  Time& paused_until = pod.search_after[protocol == kTcp ? 0 : 1];
  if (now < paused_until) return std::nullopt;
  const unsigned workers = owner_ == nullptr ? 1 : owner_->workers();
  constexpr unsigned kFirst = Registry::kFirstSourcePort;
  constexpr unsigned kLast = Registry::kLastSourcePort;
  // The first port of the share, and the number of its ports.
  const unsigned first = kFirst + (self_ + workers - kFirst % workers) % workers;
  const unsigned ports = (kLast - first) / workers + 1;

  std::optional<Found> elsewhere;  // free, but its answers arrive at another worker
  unsigned tries_to_arrive = kTriesToArrive * workers;
  std::optional<Found> in_use;
  const size_t sources = pod.sources.size();
  const size_t begin = sources < 2 ? 0 : random_.below(sources);
  for (size_t s = 0; s < sources; ++s) {
    const uint16_t source = pod.sources[(begin + s) % sources];
    const auto start = static_cast<unsigned>(random_.below(ports));
    for (unsigned i = 0; i < std::min(kTries, ports); ++i) {
      const auto port = static_cast<uint16_t>(first + (start + i) % ports * workers);
      const Endpoint local{registry.source(source), port};
      const bool arrives = arrives_here(local, pod.endpoint);
      if (!arrives && elsewhere) {
        if (--tries_to_arrive == 0) return elsewhere;
        continue;
      }
      if (const Place place = registry.find(local, protocol);
          place.kind != Place::Kind::kSource || place.shared)
        continue;
      if (const Flow* flow =
              flows.find(FlowKey{pod.endpoint, source, port, Side::kPod, protocol})) {
        if (arrives && (!in_use || over(flow->state)) &&
            (over(flow->state) || unproven(flow->state) || flows.spent(*flow, now)))
          in_use = Found{source, port, flow};
        if (in_use && i >= kTriesForFree) break;  // another address may have more
        continue;
      }
      if (arrives) return Found{source, port};
      elsewhere = Found{source, port};
    }
  }
  if (elsewhere) return elsewhere;
  if (!in_use) paused_until = now + kPause;
  return in_use;
}

}  // namespace sluice::l4
