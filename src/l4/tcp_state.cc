#include "l4/tcp_state.h"

#include "l4/header.h"

namespace sluice::l4 {

FlowState next_state(FlowState before, Side from, uint8_t flags) {
  using enum FlowState;
  if (before == kUdp || before == kUdpAnswered) return from == Side::kPod ? kUdpAnswered : before;
  if ((flags & kRst) != 0) {
    if (half_open(before)) return kRefused;
    return over(before) ? before : kReset;
  }
  if ((flags & kSyn) != 0) {
    const bool answers = before == kSynSent || before == kRefused || before == kReset;
    if (from == Side::kPod && answers && (flags & kAck) != 0) return kSynReceived;
    // A pod refused the old connection, or the client begins anew where the old one is over.
    const bool again = before == kRefused || before == kClosing;
    if (from == Side::kClient && again && (flags & kAck) == 0) return kSynSent;
    return before;
  }
  if (before == kReset) before = kEstablished;
  // The pod goes on, so the RST was forged.
  if (before == kRefused && from == Side::kPod && (flags & kAck) != 0) before = kEstablished;
  if (before == kSynReceived && from == Side::kClient && (flags & kAck) != 0) before = kEstablished;
  if (half_open(before)) return before;  // a FIN establishes nothing
  if ((flags & kFin) != 0) {
    if (from == Side::kClient) return before == kPodFin || over(before) ? kClosing : kClientFin;
    return before == kClientFin || over(before) ? kClosing : kPodFin;
  }
  return before;
}

FlowState next_state_of_client(FlowState before, uint8_t flags) {
  using enum FlowState;
  if (before == kUdp) return before;
  if ((flags & kRst) != 0) {
    if (half_open(before)) return kRefused;
    return over(before) ? before : kReset;
  }
  if ((flags & kSyn) != 0)
    return (before == kRefused || before == kClosing) && (flags & kAck) == 0 ? kSynSent : before;
  if ((flags & kAck) == 0) return before;
  if ((flags & kFin) != 0) return kClosing;
  return before == kClosing ? kClosing : kEstablished;
}

}  // namespace sluice::l4
