#pragma once
// The configuration of L4 listeners: they choose a pod for a connection, not for a call.

#include <cstdint>
#include <memory>

#include "base/chrono.h"
#include "base/maglev.h"

namespace sluice::config {

// How a connection or a flow reaches its pod.
enum class Forward : uint8_t {
  kNat,    // packets, by full NAT: the pod sees an address of Sluice's own
  kRelay,  // bytes: Sluice's TCP is the end of two connections, the client's and the pod's
  kDsr,    // the packet as it came, to the MAC address of the pod, which has the VIP itself
  kIpip,   // the packet within another one, to the pod, which has the VIP itself (RFC 2003, RFC
           // 2473)
};
// Whether pods answer clients themselves, so that only the clients' packets pass Sluice.
constexpr bool is_one_way(Forward mode) {
  return mode == Forward::kDsr || mode == Forward::kIpip;
}

// That becomes of the flows of a pod that leaves the configuration.
enum class Leaving : uint8_t {
  kDrain,  // they go on until they end
  kFlush,  // they end at once, of TCP with RST to both sides
};

// Of a listener of `tcp` or `udp`.
struct L4Listener {
  Forward mode = Forward::kNat;
  Leaving leaving_pods = Leaving::kDrain;
  // New flows a second, in all workers together; 0: no limit.
  uint32_t new_flows = 0;
  uint32_t new_flows_per_source = 0;  // of one IPv4 address, or one IPv6 /64

  bool operator==(const L4Listener&) const = default;
};

// The table by which the L4 listeners of a service choose a pod; its entries are indices into the
// service's pods. Control makes it (control/maglev_tables.h) when it publishes a snapshot, and
// snapshots with equal pods share it. nullptr: no L4 listener uses the service.
struct PodTable {
  std::shared_ptr<const Maglev> maglev;

  bool operator==(const PodTable&) const { return true; }  // equal pods make equal tables
};

// The time without a packet after which a flow is forgotten. A flow may stay up to a sweep of the
// table longer (l4::Flows::kSweep).
struct FlowTimeouts {
  Duration opening = 10s;       // TCP before the handshake is over: three retransmitted SYNs
  Duration established = 900s;  // longer than the keepalive of most clients; as IPVS has it
  Duration closing = 30s;       // TCP after FIN or RST: retransmissions still find their pod
  Duration udp = 60s;           // above the 30 s after which most resolvers give up

  bool operator==(const FlowTimeouts&) const = default;
};

}  // namespace sluice::config
