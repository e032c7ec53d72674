#pragma once
// The state of a TCP connection, as a box in its middle sees it: enough to know how long to wait
// for the next packet.

#include <cstdint>

namespace sluice::l4 {

// From which side a packet came.
enum class Side : uint8_t { kClient, kPod };

enum class FlowState : uint8_t {
  kUdp,          // datagrams of the client alone
  kUdpAnswered,  // a datagram of the pod
  kSynSent,      // the client's SYN
  kSynReceived,  // the pod's SYN-ACK
  kEstablished,  // the client's ACK
  kClientFin,    // FIN of the client
  kPodFin,       // FIN of the pod
  kClosing,      // FIN of both
  kRefused,      // RST before the handshake was over
  kReset,        // RST, and nothing after it
};

// The state after a packet with these flags (RFC 9293, 3.1, byte 13 of the header).
//
// Sequence numbers are not watched, so a RST may be forged. Its receiver knows: it answers a forged
// one with a challenge ACK (RFC 5961, 3.2) and goes on. So a segment behind a RST takes it back. A
// segment that crossed a true RST draws another one. A client's SYN behind a RST changes nothing:
// the pod says by its answer whether the connection lives.
FlowState next_state(FlowState before, Side from, uint8_t flags);

// The same where only the client's packets are seen. Its ACK behind the SYN ends the handshake, and
// its FIN the connection, as far as Sluice can tell: most clients that have sent it wait for no
// more than the rest of an answer, whose ACKs pass here.
FlowState next_state_of_client(FlowState before, uint8_t flags);

inline bool half_open(FlowState s) {
  return s == FlowState::kSynSent || s == FlowState::kSynReceived;
}
// Nothing shows that the client is at its address.
inline bool unproven(FlowState s) {
  return half_open(s) || s == FlowState::kUdp;
}
// The connection has ended, or seems to.
inline bool over(FlowState s) {
  return s == FlowState::kClosing || s == FlowState::kRefused || s == FlowState::kReset;
}

}  // namespace sluice::l4
