#include "l4/tcp_state.h"

namespace sluice::l4 {

namespace {

constexpr uint8_t kFin = 0x01;
constexpr uint8_t kSyn = 0x02;
constexpr uint8_t kRst = 0x04;
constexpr uint8_t kAck = 0x10;

}  // namespace

FlowState next_state(FlowState before, Side from, uint8_t flags) {
  using enum FlowState;
  if (before == kUdp) return kUdp;
  if ((flags & kRst) != 0) {
    if (half_open(before)) return kRefused;
    return over(before) ? before : kReset;
  }
  if ((flags & kSyn) != 0) {
    const bool answers = before == kSynSent || before == kRefused;
    if (from == Side::kPod && answers && (flags & kAck) != 0) return kSynReceived;
    // A pod refused the old connection, or the client begins anew where the old one is over.
    if (from == Side::kClient && over(before) && (flags & kAck) == 0) return kSynSent;
    return before;
  }
  if (before == kReset) before = kEstablished;
  if (before == kSynReceived && from == Side::kClient && (flags & kAck) != 0) before = kEstablished;
  if ((flags & kFin) != 0) {
    if (from == Side::kClient) return before == kPodFin || over(before) ? kClosing : kClientFin;
    return before == kClientFin || over(before) ? kClosing : kPodFin;
  }
  return before;
}

}  // namespace sluice::l4
