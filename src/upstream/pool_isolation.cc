// Clients that cancel so often that the pod would close the connection under the calls of all
// clients. Their calls go to connections of their own.

#include <algorithm>

#include "upstream/pool.h"

namespace sluice::upstream {

void Pool::isolate(const ClientSide& client) {
  const Time until = context_.now + kIsolation;
  if (Isolated* known = isolated(client.id()); known != nullptr) {
    known->until = until;
    return;
  }
  if (isolated_clients_.size() >= kMaxIsolated) return;
  const auto alone = std::count_if(isolated_clients_.begin(), isolated_clients_.end(),
                                   [](const Isolated& i) { return i.owner != kOffenders; });
  isolated_clients_.push_back(
      {client.id(), static_cast<size_t>(alone) < kMaxAlone ? client.id() : kOffenders, until});
  if (!isolation_timer_.armed()) context_.wheel.arm(isolation_timer_, until);
  ++context_.stats.relay.isolated_clients;
  context_.stats.events.push(
      {"pod_resets", "cancels so often that it leaves the connection to a pod that others use",
       client.peer()});
}

Pool::Isolated* Pool::isolated(uint64_t client) {
  const auto it = std::find_if(isolated_clients_.begin(), isolated_clients_.end(),
                               [&](const Isolated& i) { return i.client == client; });
  return it == isolated_clients_.end() ? nullptr : &*it;
}

PodConnection* Pool::with_room_for(uint64_t client, Hold& hold) {
  const Isolated* i = isolated(client);
  if (i == nullptr) return with_room();
  hold = Hold::kResets;
  for (PodConnection& c : isolated_) {
    if (c.owner() != i->owner) continue;
    if (c.takes_isolated_stream()) return &c;
    if (!c.spent_since(kIsolatedLife)) return nullptr;
    c.retire();
    break;
  }
  if (!pod_.draining() && context_.now >= isolated_retry_at_) open_connection(i->owner);
  return nullptr;
}

PodConnection* Pool::for_suspect(bool may_open) {
  uint32_t busy = 0;
  for (PodConnection& c : isolated_) {
    if (c.owner() != kSuspects) continue;
    if (c.takes_stream() && c.streams() == 0) return &c;
    if (c.connecting()) may_open = false;
    ++busy;
  }
  if (may_open && busy < kMaxSuspects && !pod_.draining() && context_.now >= isolated_retry_at_)
    open_connection(kSuspects);
  return nullptr;
}

void Pool::end_isolation() {
  Time next = kNever;
  std::erase_if(isolated_clients_, [&](const Isolated& i) {
    if (i.until <= context_.now) return true;
    next = std::min(next, i.until);
    return false;
  });
  for (PodConnection& c : isolated_) {
    if (c.owner() == kSuspects) continue;
    const bool needed = std::any_of(isolated_clients_.begin(), isolated_clients_.end(),
                                    [&](const Isolated& i) { return i.owner == c.owner(); });
    if (!needed) c.retire();
  }
  if (next != kNever) context_.wheel.arm(isolation_timer_, next);
}

}  // namespace sluice::upstream
