#include "l4/flows.h"

#include <algorithm>

namespace sluice::l4 {

namespace {

Duration timeout_of(FlowState state, const config::FlowTimeouts& t) {
  switch (state) {
    case FlowState::kUdp:
    case FlowState::kUdpAnswered:
      return t.udp;
    case FlowState::kSynSent:
    case FlowState::kSynReceived:
      return t.opening;
    case FlowState::kClosing:
    case FlowState::kRefused:
    case FlowState::kReset:
      return t.closing;
    default:  // half-closed connections may go on for as long as open ones
      return t.established;
  }
}

}  // namespace

void Flows::insert(const Flow& flow) {
  Flow client = flow;
  client.hash_value = table_.hash(client.key());
  table_.insert(client);
  ++size_;
  if (l4::half_open(client.state)) ++half_open_;
  if (client.one_way()) return;
  Flow pod = client;
  pod.remote = client.to;
  pod.remote_port = client.to_port;
  pod.to = client.remote;
  pod.to_port = client.remote_port;
  pod.local = client.from;
  pod.local_port = client.from_port;
  pod.from = client.local;
  pod.from_port = client.local_port;
  pod.side = Side::kPod;
  pod.hash_value = table_.hash(pod.key());
  table_.insert(pod);
}

void Flows::erase(const Flow& flow) {
  const FlowKey key = flow.key();
  const bool two = !flow.one_way();
  const FlowKey partner = flow.partner();
  if (l4::half_open(flow.state)) --half_open_;
  if (Flow* f = table_.find(key)) table_.erase(*f);
  if (two)
    if (Flow* f = table_.find(partner)) table_.erase(*f);
  --size_;
}

void Flows::set_state(Flow& flow, FlowState state) {
  half_open_ -= l4::half_open(flow.state) ? 1 : 0;
  half_open_ += l4::half_open(state) ? 1 : 0;
  flow.state = state;
  if (Flow* partner = partner_of(flow)) partner->state = state;
}

// Each side's entry has its own time.
Duration Flows::silent_for(const Flow& flow, Time now) {
  uint32_t silence = stamp(now) - flow.seen;
  if (const Flow* partner = partner_of(flow))
    silence = std::min(silence, stamp(now) - partner->seen);
  return std::chrono::milliseconds(silence);
}

const Flow* Flows::victim(uint64_t seed, Time now) {
  const Flow* finished = nullptr;
  const Flow* silent = nullptr;
  Duration longest = kLongSilence;
  for (size_t i = 0; i < kSample; ++i) {
    const Flow& f = table_.slot((seed + i) & (table_.slots() - 1));
    if (f.empty()) continue;
    if (unproven(f.state)) return &f;
    if (over(f.state) || spent(f, now)) finished = &f;
    if (const Duration d = silent_for(f, now); d > longest) {
      longest = d;
      silent = &f;
    }
  }
  return finished != nullptr ? finished : silent;
}

// Erasing moves later entries back to the slot, which is therefore looked at again. An entry that
// moves back behind the sweep has its turn in the next one.
void Flows::sweep(Duration elapsed, const config::FlowTimeouts& timeouts, Time now,
                  FunctionRef<void(const Flow&)> forget) {
  const double part = std::min(1.0, static_cast<double>(elapsed.count()) / kSweep.count());
  const auto slots = static_cast<size_t>(part * static_cast<double>(table_.slots())) + 1;
  for (size_t n = 0; n < slots; ++n, swept_ = (swept_ + 1) & (table_.slots() - 1)) {
    for (;;) {
      const Flow& f = table_.slot(swept_);
      // A flow is looked at once, at the client's entry.
      if (f.empty() || f.side != Side::kClient) break;
      const Duration timeout = timeout_of(f.state, timeouts);
      if (std::chrono::milliseconds(stamp(now) - f.seen) <= timeout) break;
      if (silent_for(f, now) <= timeout) break;
      const Flow gone = f;
      erase(gone);
      forget(gone);
    }
  }
}

}  // namespace sluice::l4
