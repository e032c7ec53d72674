#pragma once
// The part of a configuration that is fixed when Sluice starts: ports, workers, addresses, memory.
// A reload that changes any of it is refused with "needs a restart".

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"

namespace sluice::config {

// What a NIC can do and how it is driven: one file of nic_profiles/. The defaults describe the
// most cautious port.
struct NicProfile {
  std::string name;         // of the file, without .toml
  std::string driver;       // as DPDK names it; checked at start, never asked for on the data path
  uint16_t mtu = 1500;      // bytes of an IP packet
  uint16_t max_mtu = 1500;  // the largest that the device takes

  // [queues]
  uint16_t max_queues = 1;
  uint16_t rx_descriptors = 1024;
  uint16_t tx_descriptors = 1024;

  // [rss]
  bool rss_usable = false;  // spreads flows over queues by a hash that can be computed

  // [tx]
  bool tx_multi_segment = false;  // sends chains of mbufs
  bool tx_checksum_ipv4 = false;
  bool tx_checksum_tcp = false;
  bool tx_tso = false;
  bool tx_from_rx_pool = false;  // sends without a copy only from the receive pool
  uint16_t tx_burst = 256;       // frames gathered before the driver is called

  // [rx]
  bool rx_checksum = false;    // reports whether the TCP checksum was good
  uint16_t rx_headroom = 128;  // bytes from a buffer's start to a received frame

  // [pool]
  bool pool_dense = false;    // receive buffers must lie gapless in one memory area
  uint16_t data_room = 2176;  // bytes of a buffer, headroom included

  // [quirks]
  bool copies_in_process = false;  // the driver fills buffers through libc

  bool operator==(const NicProfile&) const = default;
};

struct Vdev {
  std::string name;  // "net_af_xdp0"
  std::string args;  // "iface=north,start_queue=0"
  bool operator==(const Vdev&) const = default;
};

// How DPDK starts: one file of dpdk_conf/.
struct DpdkConf {
  // [eal]
  std::vector<uint32_t> worker_cores{0};  // one a worker, at least as many as workers
  uint32_t control_core = 0;
  uint32_t memory_mib = 512;
  bool in_memory = true;                // no files in /var/run/dpdk and in hugetlbfs
  bool no_pci = true;                   // the PCI bus is not scanned
  bool no_huge = false;                 // ordinary pages, only for virtual devices
  std::string log_level = "warning";    // DPDK's own log
  std::vector<std::string> extra_args;  // passed on unchanged

  // [pool]
  uint32_t mbufs = 16'384;       // receive buffers of all ports and workers
  uint32_t tx_mbufs = 8'192;     // transmit buffers of all ports and workers
  uint32_t hold_mbufs = 16'384;  // copies and bytes of our own, each worker

  std::vector<Vdev> vdevs;

  bool operator==(const DpdkConf&) const = default;
};

struct Route {
  Prefix to;
  Address via;
  bool operator==(const Route&) const = default;
};

struct Port {
  std::string name;
  std::string device;  // DPDK's name: a vdev's or a PCI address
  NicProfile profile;
  std::vector<Prefix> addresses;
  std::vector<Route> routes;
  bool operator==(const Port&) const = default;
};

struct Startup {
  uint32_t workers = 1;
  std::string admin_socket;
  DpdkConf dpdk;
  std::vector<Port> ports;
  bool operator==(const Startup&) const = default;
};

}  // namespace sluice::config
