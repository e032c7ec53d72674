#include "worker/hardware.h"

namespace sluice::worker {
namespace {

nic::EalOptions eal_options(const config::Startup& startup) {
  // Replies of a pod reach the worker that the NIC chooses, and nothing hands them to the worker
  // that asked yet.
  if (startup.workers != 1)
    throw nic::Error("workers = " + std::to_string(startup.workers) +
                     ": this version runs one worker; packets are not yet handed from one worker "
                     "to another. Set workers = 1.");
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

nic::Profile profile_of(const config::NicProfile& p) {
  return {.name = p.name,
          .multi_segment = p.multi_segment,
          .tx_checksum = p.tx_checksum,
          .tso = p.tso,
          .rss = p.rss,
          .dense_pool = p.dense_pool,
          .tx_from_rx_pool = p.tx_from_rx_pool,
          .copies_in_process = p.copies_in_process,
          .rx_offset = p.rx_offset,
          .max_mtu = p.max_mtu,
          .max_queues = p.max_queues,
          .rx_descriptors = p.rx_descriptors,
          .tx_descriptors = p.tx_descriptors,
          .tx_burst = p.tx_burst};
}

std::vector<nic::Profile> profiles_of(const config::Startup& startup) {
  std::vector<nic::Profile> profiles;
  for (const config::Port& p : startup.ports) profiles.push_back(profile_of(p.profile));
  return profiles;
}

nic::PoolOptions pool_options(const config::Startup& startup) {
  return {.rx_mbufs = startup.dpdk.rx_mbufs,
          .tx_mbufs = startup.dpdk.tx_mbufs,
          .hold_mbufs = startup.dpdk.hold_mbufs,
          .data_room = startup.dpdk.data_room,
          .workers = startup.workers};
}

}  // namespace

Hardware::Hardware(const config::Startup& startup)
    : eal_(eal_options(startup)),
      profiles_(profiles_of(startup)),
      pools_(pool_options(startup), profiles_) {
  for (size_t i = 0; i < startup.ports.size(); ++i) {
    const config::Port& p = startup.ports[i];
    ports_.push_back(std::make_unique<nic::Port>(
        nic::PortOptions{
            .name = p.name, .devices = p.devices, .profile = profiles_[i], .mtu = p.mtu},
        pools_, startup.workers));
  }
}

std::vector<nic::PortQueue*> Hardware::queues(unsigned worker) {
  std::vector<nic::PortQueue*> queues;
  for (auto& port : ports_) queues.push_back(&port->queue(worker));
  return queues;
}

}  // namespace sluice::worker
