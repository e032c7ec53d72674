#include "worker/hardware.h"

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
  return profiles;
}

nic::PoolOptions pool_options(const config::Startup& startup) {
  return {.rx_mbufs = startup.dpdk.rx_mbufs,
          .tx_mbufs = startup.dpdk.tx_mbufs,
          .hold_mbufs = startup.dpdk.hold_mbufs,
          .data_room = startup.dpdk.data_room,
          .workers = startup.workers};
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

std::unique_ptr<nic::NetworkPort> make_port(const config::Port& port,
                                            const config::NicProfile& profile,
                                            const nic::Pools& pools, unsigned workers) {
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
                                                      .profile_named = named},
                                     pools, workers);
}

}  // namespace

std::vector<std::string> missing_privileges(const config::Startup& startup) {
  return nic::missing_privileges(eal_options(startup));
}

Hardware::Hardware(const config::Startup& startup)
    : eal_(eal_options(startup)),
      profiles_(profiles_of(startup)),
      pools_(pool_options(startup), profiles_) {
  for (size_t i = 0; i < startup.ports.size(); ++i) {
    const config::Port& p = startup.ports[i];
    ports_.push_back(make_port(p, profiles_[i], pools_, startup.workers));
    xdp_interfaces_.push_back(xdp_interfaces(startup.dpdk, p));
  }
}

std::string Hardware::deaf(size_t port) const {
  for (const std::string& interface : xdp_interfaces_[port])
    if (!nic::attached_program(interface))
      return "the XDP program of the interface '" + interface +
             "' is gone: another process detached it, and the kernel takes what arrives. Only a "
             "restart of sluiced attaches it again";
  return {};
}

std::vector<nic::PortQueue*> Hardware::queues(unsigned worker) {
  std::vector<nic::PortQueue*> queues;
  for (auto& port : ports_) queues.push_back(&port->queue(worker));
  return queues;
}

}  // namespace sluice::worker
