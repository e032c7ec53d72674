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

}  // namespace sluice::l4
