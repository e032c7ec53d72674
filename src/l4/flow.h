#pragma once
// One direction of a flow, as a whole cache line: its key, and the packet's new addresses and
// ports.

#include <cstdint>

#include "base/address.h"
#include "base/hash.h"
#include "l4/tcp_state.h"

namespace sluice::l4 {

// The sender of a packet, and the address of Sluice's own to which the packet came.
struct FlowKey {
  Endpoint remote;
  uint16_t local = 0;  // index of a VIP, or of a SNAT address
  uint16_t local_port = 0;
  Side side = Side::kClient;  // kClient: `local` is a VIP; kPod: a SNAT address
  uint8_t protocol = 0;

  bool operator==(const FlowKey&) const = default;
};

// Keyed, since strangers choose the remote endpoints.
uint32_t hash(const SipKey& secret, const FlowKey& key);

// A NAT flow has two entries, one for each side. Each packet touches only that of its sender.
struct alignas(64) Flow {
  Address remote;
  Address to;  // the destination after the rewrite: the pod, or the client
  uint16_t remote_port = 0;
  uint16_t to_port = 0;
  uint16_t local = 0;
  uint16_t local_port = 0;
  uint16_t from = 0;  // the source after the rewrite: index of a SNAT address, or of a VIP
  uint16_t from_port = 0;
  uint32_t hash_value = 0;
  uint32_t seen = 0;  // the last packet of this side, in milliseconds; wraps around
  uint16_t pod = 0;   // its slot
  uint16_t vip = 0;   // index
  Side side = Side::kClient;
  FlowState state = FlowState::kUdp;
  uint8_t protocol = 0;  // 0: empty
  // Of the client's entry: the acknowledgment number that ends the pod's handshake.
  uint32_t handshake_ack = 0;

  bool empty() const { return protocol == 0; }
  uint32_t hash() const { return hash_value; }
  bool belongs_to(const FlowKey& k) const {
    return remote_port == k.remote.port && local_port == k.local_port && local == k.local &&
           side == k.side && protocol == k.protocol && remote == k.remote.address;
  }
  FlowKey key() const { return {{remote, remote_port}, local, local_port, side, protocol}; }
  // The key of the entry for the other direction.
  FlowKey partner() const {
    return {{to, to_port},
            from,
            from_port,
            side == Side::kClient ? Side::kPod : Side::kClient,
            protocol};
  }
};
static_assert(sizeof(Flow) == 64);

}  // namespace sluice::l4
