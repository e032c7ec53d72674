#include "l4/source_ports.h"

#include <algorithm>
#include <numeric>

#include "l4/header.h"

namespace sluice::l4 {

SourcePorts::Share SourcePorts::own_share() const {
  const unsigned workers = owner_ == nullptr ? 1 : owner_->workers();
  constexpr unsigned kFirst = Registry::kFirstSourcePort;
  const unsigned first = kFirst + (self_ + workers - kFirst % workers) % workers;
  return {first, workers, (Registry::kLastSourcePort - first) / workers + 1};
}

bool SourcePorts::is_free(uint16_t source, uint16_t port, const Search& s, const Flow** taken) {
  const Place place = s.registry.find({s.registry.source(source), port}, s.protocol);
  *taken = nullptr;
  if (place.kind != Place::Kind::kSource || place.shared) return false;
  *taken = s.flows.find(FlowKey{s.pod.endpoint, source, port, Side::kPod, s.protocol});
  return *taken == nullptr;
}

unsigned SourcePorts::choose_step() {
  const unsigned ports = own_share().ports;
  unsigned step = 1;
  do {
    step = 1 + static_cast<unsigned>(random_.below(ports));
  } while (std::gcd(step, ports) != 1);
  return step;
}

void SourcePorts::offer(const Flow& taken, const Found& found, const Search& s,
                        std::optional<Found>& in_use) {
  if ((!in_use || over(taken.state)) &&
      (over(taken.state) || unproven(taken.state) || s.flows.spent(taken, s.now)))
    in_use = found;
}

std::optional<SourcePorts::Found> SourcePorts::find_next(const Search& s, size_t begin, Turn& turn,
                                                         std::optional<Found>& in_use) const {
  if (s.pod.sources.empty()) return std::nullopt;
  const Share share = own_share();
  const uint16_t source = s.pod.sources[begin];
  const steer::Owner::Arrivals arrivals =
      owner_ == nullptr ? steer::Owner::Arrivals()
                        : owner_->arrivals(s.registry.source(source), s.pod.endpoint);
  unsigned misses = kTriesToArrive * share.workers;
  const Flow* taken = nullptr;
  uint32_t at = turn.next;
  for (unsigned i = 0; i < kTriesForFree && misses > 0;) {
    const auto port = static_cast<uint16_t>(share.first + at * share.workers);
    at = (at + step_) % share.ports;
    if (arrivals && arrivals.worker(port) != self_) {
      --misses;
      continue;
    }
    ++i;
    if (is_free(source, port, s, &taken)) {
      turn.next = at;
      return Found{source, port};
    }
    const Flow* before = in_use ? in_use->displaced : nullptr;
    if (taken != nullptr) offer(*taken, {source, port, taken}, s, in_use);
    if (in_use && in_use->displaced != before) turn.next = at;  // those behind it are next
  }
  turn.behind_tried = at;
  return std::nullopt;
}

std::optional<SourcePorts::Found> SourcePorts::find_here(const Search& s, size_t begin,
                                                         unsigned start,
                                                         std::optional<Found>& in_use) const {
  const Share share = own_share();
  unsigned misses = kTriesToArrive * share.workers;
  const Flow* taken = nullptr;
  for (size_t n = 0; n < s.pod.sources.size(); ++n) {
    const uint16_t source = s.pod.sources[(begin + n) % s.pod.sources.size()];
    const steer::Owner::Arrivals arrivals =
        owner_ == nullptr ? steer::Owner::Arrivals()
                          : owner_->arrivals(s.registry.source(source), s.pod.endpoint);
    unsigned at = start;
    for (unsigned i = 0; i < std::min(kTries, share.ports); ++i) {
      const auto port = static_cast<uint16_t>(share.first + at * share.workers);
      if (++at == share.ports) at = 0;
      if (arrivals && arrivals.worker(port) != self_) {
        if (--misses == 0) return std::nullopt;
        continue;
      }
      if (is_free(source, port, s, &taken)) return Found{source, port};
      if (taken == nullptr) continue;
      offer(*taken, {source, port, taken}, s, in_use);
      if (in_use && i >= kTriesForFree) break;  // another address may have more
    }
  }
  return std::nullopt;
}

std::optional<SourcePorts::Found> SourcePorts::find_anywhere(const Search& s, size_t begin,
                                                             unsigned start, unsigned tries) const {
  const Share share = own_share();
  const Flow* taken = nullptr;
  for (size_t n = 0; n < s.pod.sources.size(); ++n) {
    const uint16_t source = s.pod.sources[(begin + n) % s.pod.sources.size()];
    for (unsigned i = 0; i < std::min(tries, share.ports); ++i) {
      const auto port =
          static_cast<uint16_t>(share.first + (start + i) % share.ports * share.workers);
      if (is_free(source, port, s, &taken)) return Found{source, port};
    }
  }
  return std::nullopt;
}

std::optional<SourcePorts::Found> SourcePorts::find(Pod& pod, uint8_t protocol,
                                                    const Registry& registry, Flows& flows,
                                                    Time now) {
  Time& paused_until = pod.search_after[protocol == kTcp ? 0 : 1];
  if (now < paused_until) return std::nullopt;
  const Search s{pod, protocol, registry, flows, now};
  const size_t sources = pod.sources.size();
  const size_t begin = sources < 2 ? 0 : random_.below(sources);
  const auto start = static_cast<unsigned>(random_.below(own_share().ports));
  uint32_t& kept = pod.turn[protocol == kTcp ? 0 : 1];
  if (kept == Pod::kNoTurn) kept = static_cast<uint32_t>(random_.below(own_share().ports));
  Turn turn{kept, kept};
  std::optional<Found> in_use;
  std::optional<Found> found = find_next(s, begin, turn, in_use);
  if (!found) {
    // Flows that began together have their ports in a row: the others may be free.
    found = find_here(s, begin, start, in_use);
    // A flood of flows that may be displaced must not make every new one look for long.
    if (!found && owner_ != nullptr)
      found = find_anywhere(s, begin, start, in_use ? kTriesForFree : kTries);
    if (found || !in_use) turn.next = turn.behind_tried;
  }
  kept = turn.next;
  if (found) return found;
  if (!in_use) paused_until = now + kPause;
  return in_use;
}

}  // namespace sluice::l4
