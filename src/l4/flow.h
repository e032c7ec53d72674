#pragma once
// One direction of a flow, as a whole cache line: its key, and the packet's new addresses and
// ports.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/address.h"
#include "config/l4.h"
#include "l4/flow_hash.h"
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

inline uint32_t rest_of(const FlowKey& key) {
  return key.local | uint32_t{key.protocol} << 16 | static_cast<uint32_t>(key.side) << 24;
}
inline uint32_t hash(const FlowHash& secret, const FlowKey& key) {
  const uint32_t ports = key.remote.port | uint32_t{key.local_port} << 16;
  return secret.of(key.remote.address, ports, rest_of(key));
}

// A NAT flow has two entries, one for each side. Each packet touches only that of its sender. Of a
// flow of the other modes only the client's side passes Sluice, and has an entry; the ports of the
// rewrite mean nothing there, and `from` and `from_port` are the client's last sequence number.
struct alignas(64) Flow {
  // The key, as FlowKey has it.
  Address remote;
  uint16_t remote_port = 0;
  uint16_t local = 0;
  uint16_t local_port = 0;
  Side side = Side::kClient;
  uint8_t protocol = 0;  // 0: empty

  uint32_t hash_value = 0;
  uint32_t seen = 0;  // the last packet of this side, in milliseconds; wraps around
  Address to;         // the destination after the rewrite: the pod, or the client
  uint16_t to_port = 0;
  uint16_t from = 0;  // the source after the rewrite: index of a SNAT address, or of a VIP
  uint16_t from_port = 0;
  uint16_t pod = 0;  // its slot
  uint16_t vip = 0;  // index
  FlowState state = FlowState::kUdp;
  config::Forward mode : 4 = config::Forward::kNat;
  // Of a flow that began while flows of its pod were flushed: Pod::flushes then, the order that it
  // outlives; else 0.
  uint8_t outlives : 4 = 0;
  // Of TCP: the last acknowledgment number of this side, which is the next sequence number that it
  // expects. Of the client's entry before: the one that ends the pod's handshake.
  uint32_t ack = 0;

  bool empty() const { return protocol == 0; }
  uint32_t hash() const { return hash_value; }
  // For each packet: words, not fields.
  bool belongs_to(const FlowKey& k) const {
    static_assert(sizeof k == 3 * sizeof(uint64_t));
    return ((word(this, 0) ^ word(&k, 0)) | (word(this, 1) ^ word(&k, 1)) |
            (word(this, 2) ^ word(&k, 2))) == 0;
  }
  static uint64_t word(const void* of, size_t i) {
    uint64_t w;
    std::memcpy(&w, static_cast<const uint8_t*>(of) + i * sizeof w, sizeof w);
    return w;
  }
  FlowKey key() const { return {{remote, remote_port}, local, local_port, side, protocol}; }
  bool one_way() const { return config::is_one_way(mode); }
  // Of TCP where only the client's packets are seen: the sequence number of its last segment.
  uint32_t sequence() const { return uint32_t{from} << 16 | from_port; }
  void set_sequence(uint32_t s) {
    from = static_cast<uint16_t>(s >> 16);
    from_port = static_cast<uint16_t>(s);
  }
  // Whether a segment may be the client's, as far as its sequence number tells.
  bool near(uint32_t s) const { return s - sequence() + kNear < 2 * kNear; }
  void follow(uint32_t s) {
    if (near(s)) set_sequence(s);
  }
  static constexpr uint32_t kNear = 1 << 20;  // most clients have fewer bytes in flight
  // The key of the entry for the other direction, of a NAT flow.
  FlowKey partner() const {
    return {{to, to_port},
            from,
            from_port,
            side == Side::kClient ? Side::kPod : Side::kClient,
            protocol};
  }
};
static_assert(sizeof(Flow) == 64);
static_assert(offsetof(Flow, remote_port) == offsetof(FlowKey, remote.port) &&
              offsetof(Flow, local) == offsetof(FlowKey, local) &&
              offsetof(Flow, local_port) == offsetof(FlowKey, local_port) &&
              offsetof(Flow, side) == offsetof(FlowKey, side) &&
              offsetof(Flow, protocol) == offsetof(FlowKey, protocol) &&
              sizeof(FlowKey) == offsetof(Flow, hash_value));

}  // namespace sluice::l4
