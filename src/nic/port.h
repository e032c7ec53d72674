#pragma once
// A network port that DPDK drives: its devices, and one queue pair for each worker.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nic/ethdev_queue.h"
#include "nic/network_port.h"
#include "nic/pools.h"
#include "nic/traits.h"

namespace sluice::nic {

struct PortOptions {
  std::string name;                  // "north"
  std::vector<std::string> devices;  // DPDK's names: "net_tap0", "0000:03:00.0"
  config::NicProfile profile;
  uint16_t mtu = 1500;  // bytes of an IP packet
};

// DPDK's number of a device. Throws Error, with the list of devices, when the device is not among
// them.
uint16_t device_id(const std::string& port, const std::string& device);

class Port final : public NetworkPort {
 public:
  // Checks (selftest.h), configures and starts the port with one queue pair a worker. The pools
  // outlive it. Throws Error.
  Port(const PortOptions& options, const Pools& pools, unsigned workers);
  ~Port() override;

  const std::string& name() const override { return options_.name; }
  const config::NicProfile& profile() const { return options_.profile; }
  const Traits& traits() const { return traits_; }
  const std::array<uint8_t, 6>& mac() const override { return mac_; }
  uint16_t mtu() const override { return options_.mtu; }
  // Asks the driver, which may make a system call: for the control thread.
  bool link_up() const override;

  // The queue pair of one worker: only that worker may touch it.
  EthdevQueue& queue(unsigned worker) override { return *queues_[worker]; }

  // The counters of the port's devices, summed.
  DeviceCounters device_counters() const override;

 private:
  void start(uint16_t device, uint16_t queues, const Pools& pools);
  void stop();

  PortOptions options_;
  Traits traits_;
  std::array<uint8_t, 6> mac_{};
  std::vector<uint16_t> devices_;
  std::vector<uint16_t> configured_;
  std::vector<std::unique_ptr<EthdevQueue>> queues_;
};

}  // namespace sluice::nic
