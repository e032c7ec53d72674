#pragma once
// The part of a configuration that is fixed when Sluice starts: ports, workers, addresses, memory.
// A reload that changes any of it is refused with "needs a restart".

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "config/nic_profile.h"

namespace sluice::config {

// How DPDK starts: one file of dpdk_conf/.
struct DpdkConf {
  std::vector<uint32_t> worker_cores{0};  // one a worker, at least as many as workers
  uint32_t control_core = 0;
  // Of the helper threads that make TLS handshakes, in turn; empty: control_core.
  std::vector<uint32_t> handshake_cores;
  uint32_t memory_mib = 512;
  bool hugepages = true;              // false: ordinary pages, only for virtual devices
  bool in_memory = true;              // no files in /var/run/dpdk and in hugetlbfs
  std::vector<std::string> vdevs;     // as DPDK spells them: "net_tap0,iface=north"
  std::vector<std::string> pci;       // addresses to take over; none: the bus is not scanned
  std::vector<std::string> extra;     // further EAL arguments, passed on unchanged
  std::string log_level = "warning";  // DPDK's own log

  uint32_t rx_mbufs = 16'384;  // receive buffers of all ports and workers
  uint32_t tx_mbufs = 8'192;   // transmit buffers of all ports and workers
  // Each worker: copies of received bytes, and bytes that Sluice writes.
  uint32_t hold_mbufs = 16'384;
  uint16_t data_room = 2'176;  // bytes of a buffer, headroom included

  bool operator==(const DpdkConf&) const = default;
};

struct Route {
  Prefix to;
  Address via;
  bool operator==(const Route&) const = default;
};

// A route that Sluice found out by itself: from a cluster's Nodes, or from the kernel's tables.
struct LearnedRoute {
  Route route;
  uint16_t port = 0;  // index into Startup::ports; the gateway is in one of its networks
  bool operator==(const LearnedRoute&) const = default;
};

// Before the name of a TAP interface of the kernel that Sluice itself drives, in Port::devices.
inline constexpr std::string_view kTunPrefix = "tun:";

struct Port {
  std::string name;
  // DPDK's names: vdevs or PCI addresses. Usually one; several devices with a single queue each
  // serve one worker each. Or one TAP interface: "tun:north".
  std::vector<std::string> devices;
  std::optional<NicProfile> profile;  // nullopt: the one of Startup::nic_profiles that matches
  uint16_t mtu = 1500;                // bytes of an IP packet
  // The VLAN id of its frames (IEEE 802.1Q); 0: they have no tag. Ports that differ in it may share
  // their devices.
  uint16_t vlan = 0;
  // The first of each family is the source address of Sluice's own packets.
  std::vector<Prefix> addresses;
  // From which the flows of L4 listeners reach pods behind the port; empty: the first of
  // `addresses` of each family.
  std::vector<Address> snat_addresses;
  std::vector<Route> routes;
  bool operator==(const Port&) const = default;
};

// [memory]: tables whose size every worker sets once.
struct Memory {
  uint32_t connections = 131'072;  // TCP connections of both sides together
  uint32_t half_open = 4'096;      // handshakes under way before SYN cookies; 128 bytes each
  uint32_t time_wait = 32'768;     // records of about 100 bytes; a full table drops its oldest
  uint32_t flows = 262'144;        // of L4 listeners; 256 to 512 bytes each, once it is used
  bool operator==(const Memory&) const = default;
};

inline constexpr uint32_t kMaxWorkers = 16;

// A worker that has nothing to do.
enum class Idle : uint8_t {
  kAuto,   // sleeps where every port can wake it, and polls elsewhere
  kPoll,   // polls its ports
  kSleep,  // sleeps; in short naps where a port cannot wake it
};

inline constexpr uint32_t kMaxHandshakeThreads = 32;

struct Startup {
  uint32_t workers = 1;
  // Helper threads that make the TLS handshakes of all workers; 0: each worker makes its own, and
  // its other connections wait meanwhile.
  uint32_t handshake_threads = 1;
  std::string tls_key_log;  // the file of all TLS secrets, for debugging; empty: none
  Idle idle = Idle::kAuto;
  Memory memory;
  std::string admin_socket;
  DpdkConf dpdk;
  std::vector<Port> ports;
  // All files of the directory of profiles, by name, when a port leaves the choice to Sluice.
  std::vector<NicProfile> nic_profiles;
  bool operator==(const Startup&) const = default;
};

}  // namespace sluice::config
