// The list of flows, a part at a time.

#include "l4/forwarder.h"

namespace sluice::l4 {

namespace {

std::string_view name_of(FlowState state) {
  switch (state) {
    case FlowState::kUdp:
      return "unanswered";
    case FlowState::kUdpAnswered:
      return "answered";
    case FlowState::kSynSent:
      return "syn-sent";
    case FlowState::kSynReceived:
      return "syn-received";
    case FlowState::kEstablished:
      return "established";
    case FlowState::kClientFin:
      return "client-fin";
    case FlowState::kPodFin:
      return "pod-fin";
    case FlowState::kClosing:
      return "closing";
    case FlowState::kRefused:
      return "refused";
    case FlowState::kReset:
      return "reset";
  }
  return "";
}

std::string_view name_of(config::Forward mode) {
  switch (mode) {
    case config::Forward::kNat:
      return "nat";
    case config::Forward::kRelay:
      break;  // has no flows
    case config::Forward::kDsr:
      return "dsr";
    case config::Forward::kIpip:
      return "ipip";
  }
  return "";
}

}  // namespace

// The cursor is a slot of the table. Flows that begin meanwhile may be missing, and one that moves
// in the table, since another ended, may be missing or listed twice.
void Forwarder::list(stats::FlowPage& page, Time now) {
  const stats::FlowPage::Question& asked = page.question();
  auto& [rows, next] = page.answer();
  const size_t slots = flows_ ? flows_->slots() : 0;
  for (size_t n = 0; n < kListSlots && next < slots && rows.size() < stats::FlowPage::kRows;
       ++n, ++next) {
    const Flow* f = flows_->client_at(next);
    if (f == nullptr) continue;
    const Vip& vip = registry_.vip(f->vip);
    if (asked.listener != stats::FlowPage::kAny && asked.listener != vip.slot) continue;
    if (asked.pod != stats::FlowPage::kAny && asked.pod != f->pod) continue;
    stats::FlowRow row;
    row.client = {f->remote, f->remote_port};
    row.vip = vip.address;
    row.pod = registry_.pod(f->pod).endpoint;
    if (!f->one_way()) row.source = {registry_.source(f->from), f->from_port};
    row.state = name_of(f->state);
    row.mode = name_of(f->mode);
    row.listener = vip.slot;
    row.pod_slot = f->pod;
    row.silent_ms = static_cast<uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(flows_->silent_for(*f, now)).count());
    row.protocol = f->protocol;
    rows.push_back(row);
  }
  if (next >= slots) next = stats::FlowPage::kEnd;
  if (next == stats::FlowPage::kEnd || rows.size() == stats::FlowPage::kRows) page.publish();
}

}  // namespace sluice::l4
