#include "nic/port.h"

#include <rte_errno.h>
#include <rte_ethdev.h>

#include <algorithm>

#include "nic/eal.h"
#include "nic/identity.h"
#include "nic/link.h"
#include "nic/port_state.h"
#include "nic/selftest.h"
#include "nic/tx_path.h"

namespace sluice::nic {

namespace {

// Payload bytes of one OutFrame that is cut into packets. A TSO packet is one IP packet of 65,535
// bytes at most, less the largest headers. In software a larger piece saves nothing.
constexpr uint32_t kMaxTso = 65535 - 60 - 60;
constexpr uint32_t kMaxSoftwareTso = 16384;

// With TSO the payload lies in the frame's buffers behind the one of the headers, one for each
// received segment.
uint32_t max_tso(const Traits& traits, uint16_t mtu) {
  constexpr uint32_t kHeaders = 20 + 20;  // least IPv4 and TCP
  if (!traits.tso) return kMaxSoftwareTso;
  return std::min(kMaxTso, (traits.tx_segments - 1u) * (mtu - kHeaders));
}

rte_eth_dev_info info_of(const std::string& port, uint16_t device) {
  rte_eth_dev_info info{};
  const int result = rte_eth_dev_info_get(device, &info);
  if (result != 0)
    throw Error("port '" + port + "': its device gives no information: " + rte_strerror(-result));
  return info;
}

// Frames that came before the device had its hash key lie in queues that the key does not name.
void discard_received(uint16_t device, uint16_t queues) {
  constexpr unsigned kMostBursts = 1024;  // 32,768 frames: the largest ring
  std::array<rte_mbuf*, 32> burst;
  for (uint16_t q = 0; q < queues; ++q)
    for (unsigned i = 0; i < kMostBursts; ++i) {
      const uint16_t n = rte_eth_rx_burst(device, q, burst.data(), burst.size());
      if (n == 0) break;
      rte_pktmbuf_free_bulk(burst.data(), n);
    }
}

std::string device_names() {
  std::string names;
  uint16_t id;
  RTE_ETH_FOREACH_DEV(id) {
    char name[RTE_ETH_NAME_MAX_LEN];
    if (rte_eth_dev_get_name_by_port(id, name) == 0)
      names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return names.empty() ? "there is none at all" : "there are " + names;
}

}  // namespace

uint16_t device_id(const std::string& port, const std::string& device) {
  uint16_t id = 0;
  if (rte_eth_dev_get_port_by_name(device.c_str(), &id) == 0) return id;
  throw Error("port '" + port + "': DPDK has no device '" + device + "'; " + device_names() +
              ". A virtual device is made by a vdev line in the DPDK configuration; a physical "
              "one has to be bound to vfio-pci (dpdk-devbind.py --status) and listed under pci.");
}

Port::Port(const PortOptions& options, const Pools& pools, unsigned workers) : options_(options) {
  const auto devices = static_cast<unsigned>(options_.devices.size());
  if (devices == 0 || workers % devices != 0)
    throw Error("port '" + name() + "' has " + std::to_string(devices) + " devices for " +
                std::to_string(workers) +
                " workers: give it one device for all of them, or one for each.");
  const auto queues = static_cast<uint16_t>(workers / devices);
  std::string wrong;
  for (const std::string& device : options_.devices) {
    const uint16_t id = device_id(name(), device);
    const Claim claim{name(), device, options_.profile, info_of(name(), id), options_.mtu, queues};
    std::vector<std::string> faults = find_contradictions(claim, pools.rx(0).mempool());
    auto& missing = options_.profile_named ? faults : notes_;
    for (std::string& what : find_missing_offers(claim)) missing.push_back(std::move(what));
    for (const std::string& what : faults) wrong += (wrong.empty() ? "" : "\n") + what;
    devices_.push_back(id);
    interfaces_.push_back(interface_of(claim.info.if_index));
    bonds_.emplace_back(id);
  }
  if (!wrong.empty()) throw Error(wrong);
#ifdef SLUICE_ASAN
  if (options_.profile.copies_in_process) buf::poison_free_buffers = false;
#endif
  try {
    for (const uint16_t id : devices_) start(id, queues, pools);
  } catch (...) {
    stop();
    throw;
  }
}

Port::~Port() {
  stop();
}

void Port::check(int result, const char* step) const {
  if (result == 0) return;
  throw Error("port '" + name() + "': " + step + " fails: " + rte_strerror(-result) +
              "; the driver's own lines say more.");
}

void Port::run_device(uint16_t device, uint16_t queues, const Pools& pools, bool rx_interrupts,
                      std::vector<uint8_t>& rss_key) {
  const rte_eth_dev_info info = info_of(name(), device);
  rte_eth_conf conf{};
  conf.rxmode.mtu = options_.mtu;
  conf.rxmode.offloads = traits_.rx_offloads;
  if (traits_.lro) conf.rxmode.max_lro_pkt_size = info.max_lro_pkt_size;
  conf.txmode.offloads = traits_.tx_offloads;
  conf.intr_conf.rxq = rx_interrupts ? 1 : 0;
  if (options_.profile.flows == config::Flows::kRss) request_rss(info, rss_key, conf);
  if (tagged()) conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
  check(rte_eth_dev_configure(device, queues, queues, &conf), "configuring the device");
  if (configured_.empty() || configured_.back() != device) configured_.push_back(device);
  const int mtu_result = rte_eth_dev_set_mtu(device, options_.mtu);
  if (mtu_result != -ENOTSUP) check(mtu_result, "setting the MTU");

  uint16_t rx_ring = options_.profile.rx_descriptors;
  uint16_t tx_ring = options_.profile.tx_descriptors;
  check(rte_eth_dev_adjust_nb_rx_tx_desc(device, &rx_ring, &tx_ring), "sizing the rings");
  rings_ = {rx_ring, tx_ring};
  const int socket = rte_eth_dev_socket_id(device);
  // The queues of a port's devices are its workers' in order.
  const auto first_worker = static_cast<unsigned>(queues_.size());
  for (uint16_t q = 0; q < queues; ++q) {
    const unsigned worker = first_worker + q;
    rte_eth_txconf tx = info.default_txconf;
    tx.offloads = traits_.tx_offloads;
    check(rte_eth_rx_queue_setup(device, q, rx_ring, socket, nullptr, pools.rx(worker).mempool()),
          "setting up a receive queue");
    check(rte_eth_tx_queue_setup(device, q, tx_ring, socket, &tx), "setting up a transmit queue");
  }
  check(rte_eth_dev_start(device), "starting the device");
}

// Whether a device has receive interrupts depends on the way in which it is bound, too.
bool Port::run_with_interrupts(uint16_t device, uint16_t queues, const Pools& pools,
                               std::vector<uint8_t>& rss_key) {
  // A bond has none of its own.
  if (!options_.profile.rx_interrupts || !bond_members(device).empty()) return false;
  try {
    run_device(device, queues, pools, true, rss_key);
    return true;
  } catch (const Error& e) {
    notes_.push_back("port '" + name() +
                     "': its device starts without receive interrupts only, so that its workers "
                     "poll (" +
                     e.what() + ")");
    return false;
  }
}

// ARP is broadcast. NDP needs multicast, where the device has it.
void Port::let_in_multicast(uint16_t device) {
  const int result = rte_eth_allmulticast_enable(device);
  if (result != 0 && result != -ENOTSUP)
    notes_.push_back("port '" + name() + "': its device does not take all multicast frames (" +
                     rte_strerror(-result) +
                     "), so that IPv6 neighbours may not find it. A virtual function needs to be "
                     "trusted: ip link set PF vf N trust on.");
}

bool Port::tagged() const {
  return std::any_of(options_.vlans.begin(), options_.vlans.end(),
                     [](uint16_t id) { return id != 0; });
}

// Some devices drop the frames of VLAN ids that nobody asked for.
void Port::let_in_vlans(uint16_t device, const rte_eth_dev_info& info) {
  if (!tagged() || (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) == 0) return;
  for (const uint16_t id : options_.vlans) {
    const int result = id == 0 ? 0 : rte_eth_dev_vlan_filter(device, id, 1);
    if (result != 0)
      notes_.push_back("port '" + name() + "': its device refuses VLAN " + std::to_string(id) +
                       ", whose frames may not arrive: " + rte_strerror(-result));
  }
}

void Port::take_mac(uint16_t device) {
  rte_ether_addr mac;
  check(rte_eth_macaddr_get(device, &mac), "reading the MAC address");
  if (queues_.empty()) {
    std::copy_n(mac.addr_bytes, mac_.size(), mac_.begin());
  } else if (!std::equal(mac_.begin(), mac_.end(), mac.addr_bytes)) {
    throw Error("port '" + name() +
                "': its devices have different MAC addresses, so they are not queues of one "
                "interface. Several NICs are one port as a bond.");
  }
}

void Port::start(uint16_t device, uint16_t queues, const Pools& pools) {
  const rte_eth_dev_info info = info_of(name(), device);
  traits_ = traits_of(options_.profile, info);
  // DPDK keeps a pointer to it in the device's configuration.
  std::vector<uint8_t>& rss_key = rss_keys_.emplace_back(random_rss_key(info));
  const bool rx_interrupts = run_with_interrupts(device, queues, pools, rss_key);
  if (!rx_interrupts) run_device(device, queues, pools, false, rss_key);
  let_in_multicast(device);
  let_in_vlans(device, info);

  const bool rss = options_.profile.flows == config::Flows::kRss;
  rss_.push_back(std::make_unique<RssState>(rss ? take_rss(device, info_of(name(), device), rss_key)
                                                : RssState{}));
  if (rss) discard_received(device, queues);
  take_mac(device);
  const auto first_worker = static_cast<unsigned>(queues_.size());
  for (uint16_t q = 0; q < queues; ++q)
    queues_.push_back(
        make_queue(traits_, {.device = device,
                             .queue = q,
                             .mtu = options_.mtu,
                             .max_tso = max_tso(traits_, options_.mtu),
                             .tx_burst = options_.profile.tx_burst,
                             .tx_segments = traits_.tx_segments,
                             .tso_least = options_.profile.tso_least,
                             .mac = mac_,
                             .tx_pool = pools.tx(options_.profile, first_worker + q).mempool(),
                             .tx_pool_only = options_.profile.tx_from_rx_pool,
                             .rx_interrupts = rx_interrupts,
                             .rss = rss_.back().get()}));
}

config::Flows Port::flows() const {
  using config::Flows;
  if (options_.profile.flows != Flows::kRss) return options_.profile.flows;
  const bool known =
      std::all_of(rss_.begin(), rss_.end(), [](const auto& rss) { return rss->known(); });
  const bool differs = std::any_of(queues_.begin(), queues_.end(),
                                   [](const auto& q) { return q->hash_check().failed(); });
  return known && !differs ? Flows::kRss : Flows::kNone;
}

stats::NicPort Port::state() const {
  return state_of(*this);
}

stats::NicLink Port::device_link(size_t device) const {
  return bonds_[device].link(link_of_device(devices_[device], interfaces_[device]));
}

stats::NicLink Port::link() {
  stats::NicLink all{.up = true};
  for (size_t i = 0; i < devices_.size(); ++i) {
    bonds_[i].leave_dead_member();
    const stats::NicLink link = device_link(i);
    all.up &= link.up;
    all.mbps += link.mbps;
    all.full_duplex &= link.full_duplex;
    all.member += link.member;
  }
  return all;
}

std::string Port::hash_fault() const {
  return nic::hash_fault(*this);
}

Port::DeviceCounters Port::device_counters() const {
  DeviceCounters all;
  for (const uint16_t device : devices_) {
    rte_eth_stats stats{};
    if (rte_eth_stats_get(device, &stats) != 0) continue;
    all.rx_missed += stats.imissed;
    all.rx_no_buffer += stats.rx_nombuf;
  }
  return all;
}

void Port::stop() {
  queues_.clear();
  for (const uint16_t device : configured_) {
    rte_eth_dev_stop(device);
    rte_eth_dev_close(device);
  }
  configured_.clear();
}

}  // namespace sluice::nic
