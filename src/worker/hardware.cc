#include "worker/hardware.h"

#include <algorithm>
#include <utility>

#include "nic/bond.h"
#include "nic/identity.h"
#include "nic/port.h"
#include "nic/privileges.h"
#include "nic/profile_choice.h"
#include "nic/tun_port.h"
#include "nic/xdp.h"

namespace sluice::worker {
namespace {

nic::EalOptions eal_options(const config::Startup& startup) {
  const config::DpdkConf& dpdk = startup.dpdk;
  nic::EalOptions o;
  o.worker_cores.assign(dpdk.worker_cores.begin(), dpdk.worker_cores.begin() + startup.workers);
  o.control_core = dpdk.control_core;
  o.memory_mib = dpdk.memory_mib;
  o.hugepages = dpdk.hugepages;
  o.in_memory = dpdk.in_memory;
  o.vdevs = dpdk.vdevs;
  o.pci = dpdk.pci;
  o.extra = dpdk.extra;
  o.log_level = dpdk.log_level;
  return o;
}

// The profile of each port. The devices exist already.
std::vector<config::NicProfile> profiles_of(const config::Startup& startup) {
  std::vector<config::NicProfile> profiles;
  for (const config::Port& p : startup.ports) {
    if (p.profile) {
      profiles.push_back(*p.profile);
      continue;
    }
    std::vector<nic::DeviceIdentity> identities;
    for (const std::string& device : p.devices)
      identities.push_back(nic::tun_interface(device).empty() ? nic::identify(p.name, device)
                                                              : nic::tun_identity(device));
    profiles.push_back(nic::choose_profile(p.name, identities, startup.nic_profiles));
  }
  // Interrupts cost some drivers a faster way to receive.
  if (startup.idle == config::Idle::kPoll)
    for (config::NicProfile& p : profiles) p.rx_interrupts = false;
  return profiles;
}

// The first port with the devices of port i.
size_t first_with_devices(const config::Startup& startup, size_t i) {
  const auto same = [&](const config::Port& p) { return p.devices == startup.ports[i].devices; };
  return static_cast<size_t>(std::find_if(startup.ports.begin(), startup.ports.end(), same) -
                             startup.ports.begin());
}

std::vector<nic::PortNode> nodes_of(const config::Startup& startup) {
  std::vector<nic::PortNode> nodes;
  for (const config::Port& p : startup.ports)
    nodes.push_back({p.name, nic::node_of(p.name, p.devices.front())});
  return nodes;
}

nic::PoolOptions pool_options(const config::Startup& startup, const nic::Eal& eal,
                              const std::vector<nic::PortNode>& ports) {
  std::vector<int> nodes;
  for (unsigned w = 0; w < startup.workers; ++w)
    nodes.push_back(nic::pool_node(ports, eal.node(w)));
  return {.rx_mbufs = startup.dpdk.rx_mbufs,
          .tx_mbufs = startup.dpdk.tx_mbufs,
          .hold_mbufs = startup.dpdk.hold_mbufs,
          .data_room = startup.dpdk.data_room,
          .workers = startup.workers,
          .nodes = std::move(nodes)};
}

// The interfaces from which a port's devices receive through an XDP program.
std::vector<std::string> xdp_interfaces(const config::DpdkConf& dpdk, const config::Port& port) {
  std::vector<std::string> interfaces;
  for (const std::string& device : port.devices)
    for (const std::string& vdev : dpdk.vdevs)
      if (vdev.starts_with(device + ","))
        if (std::string i = nic::xdp_interface(vdev); !i.empty()) interfaces.push_back(i);
  return interfaces;
}

size_t ring_sets(const config::Port& port) {
  const std::string& device = port.devices.front();
  if (!nic::tun_interface(device).empty()) return 1;
  return std::max<size_t>(nic::bond_members(nic::device_id(port.name, device)).size(), 1);
}

// One profile for each set of devices, however many ports share it; of bonds, one for each member,
// since each has rings of its own.
std::vector<config::NicProfile> device_profiles(const config::Startup& startup,
                                                const std::vector<config::NicProfile>& by_port) {
  std::vector<config::NicProfile> profiles;
  for (size_t i = 0; i < by_port.size(); ++i)
    if (first_with_devices(startup, i) == i)
      profiles.insert(profiles.end(), ring_sets(startup.ports[i]), by_port[i]);
  return profiles;
}

std::unique_ptr<nic::NetworkPort> make_port(const config::Port& port,
                                            const config::NicProfile& profile,
                                            std::vector<uint16_t> vlans, const nic::Pools& pools,
                                            unsigned workers) {
  const bool named = port.profile.has_value();
  if (const std::string tun = nic::tun_interface(port.devices.front()); !tun.empty())
    return std::make_unique<nic::TunPort>(nic::TunPortOptions{.name = port.name,
                                                              .interface = tun,
                                                              .profile = profile.name,
                                                              .profile_named = named,
                                                              .mtu = port.mtu},
                                          pools, workers);
  return std::make_unique<nic::Port>(nic::PortOptions{.name = port.name,
                                                      .devices = port.devices,
                                                      .profile = profile,
                                                      .mtu = port.mtu,
                                                      .vlans = std::move(vlans),
                                                      .profile_named = named},
                                     pools, workers);
}

}  // namespace

std::vector<std::string> missing_privileges(const config::Startup& startup) {
  const auto is_tun = [](const config::Port& p) {
    return !nic::tun_interface(p.devices.front()).empty();
  };
  return nic::missing_privileges(eal_options(startup),
                                 std::any_of(startup.ports.begin(), startup.ports.end(), is_tun));
}

Hardware::Hardware(const config::Startup& startup)
    : eal_(eal_options(startup)),
      profiles_(profiles_of(startup)),
      nodes_(nodes_of(startup)),
      pools_(pool_options(startup, eal_, nodes_), device_profiles(startup, profiles_)) {
  for (size_t i = 0; i < startup.ports.size(); ++i) {
    const config::Port& p = startup.ports[i];
    xdp_interfaces_.push_back(xdp_interfaces(startup.dpdk, p));
    const size_t first = first_with_devices(startup, i);
    if (first < i) {
      ports_.push_back(ports_[first]);
      continue;
    }
    std::vector<uint16_t> vlans;
    for (size_t k = i; k < startup.ports.size(); ++k)
      if (first_with_devices(startup, k) == i) vlans.push_back(startup.ports[k].vlan);
    devices_.push_back(make_port(p, profiles_[i], std::move(vlans), pools_, startup.workers));
    ports_.push_back(devices_.back().get());
  }
  make_queues(startup);
}

void Hardware::make_queues(const config::Startup& startup) {
  queues_.resize(ports_.size());
  for (const auto& device : devices_) {
    std::vector<size_t> ports;
    std::vector<uint16_t> vlans;
    for (size_t i = 0; i < ports_.size(); ++i) {
      if (ports_[i] != device.get()) continue;
      ports.push_back(i);
      vlans.push_back(startup.ports[i].vlan);
    }
    const bool tagged = vlans != std::vector{nic::kUntagged};
    for (unsigned w = 0; w < startup.workers; ++w) {
      if (tagged) trunks_.push_back(std::make_unique<nic::VlanTrunk>(device->queue(w), vlans));
      for (size_t k = 0; k < ports.size(); ++k)
        queues_[ports[k]].push_back(tagged ? &trunks_.back()->queue(k) : &device->queue(w));
    }
  }
}

std::vector<steer::OwnerPort> Hardware::owner_ports(const config::Startup& startup) const {
  std::vector<steer::OwnerPort> all;
  for (size_t i = 0; i < ports_.size(); ++i) {
    steer::OwnerPort& port = all.emplace_back();
    port.addresses = startup.ports[i].addresses;
    if (const nic::RssState* rss = ports_[i]->rss())
      port.rss = {
          .key = rss->key, .workers = rss->reta, .v4 = rss->hashes_v4(), .v6 = rss->hashes_v6()};
  }
  return all;
}

std::vector<std::string> Hardware::steer(const config::Startup& startup,
                                         const steer::Owner& owner) {
  nic::FlowOwners owners{.workers = owner.workers(),
                         .key = owner.key(),
                         .first_port = owner.ephemeral().first,
                         .last_port = owner.ephemeral().last};
  for (const config::Port& port : startup.ports)
    for (const Prefix& p : port.addresses) owners.addresses.push_back(p.address);
  std::vector<std::string> refused;
  for (const auto& device : devices_)
    if (std::string reason = device->steer(owners); !reason.empty())
      refused.push_back("port '" + device->name() +
                        "': packets are handed over between workers, since no program leads them "
                        "to the workers of their flows (" +
                        reason + ")");
  return refused;
}

nic::NetworkPort::DeviceCounters Hardware::device_counters(size_t port) const {
  const bool first = std::find(ports_.begin(), ports_.end(), ports_[port]) ==
                     ports_.begin() + static_cast<std::ptrdiff_t>(port);
  return first ? ports_[port]->device_counters() : nic::NetworkPort::DeviceCounters{};
}

std::string Hardware::deaf(size_t port) const {
  for (const std::string& interface : xdp_interfaces_[port])
    if (!nic::attached_program(interface))
      return "the XDP program of the interface '" + interface +
             "' is gone: another process detached it, and the kernel takes what arrives. Only a "
             "restart of sluiced attaches it again";
  return {};
}

std::vector<std::string> Hardware::far_ports(const config::Startup& startup) const {
  std::vector<std::string> all;
  for (unsigned w = 0; w < startup.workers; ++w)
    for (std::string& far : nic::far_ports(w, startup.dpdk.worker_cores[w], eal_.node(w), nodes_))
      all.push_back(std::move(far));
  return all;
}

std::vector<nic::PortQueue*> Hardware::queues(unsigned worker) {
  std::vector<nic::PortQueue*> queues;
  for (auto& port : queues_) queues.push_back(port[worker]);
  return queues;
}

}  // namespace sluice::worker
