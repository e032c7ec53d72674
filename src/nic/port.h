#pragma once
// A network port: its devices, and one queue pair for each worker.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nic/ethdev_queue.h"
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

class Port {
 public:
  // Checks (selftest.h), configures and starts the port with one queue pair a worker. The pools
  // outlive it. Throws Error.
  Port(const PortOptions& options, const Pools& pools, unsigned workers);
  ~Port();
  Port(Port&&) = delete;

  const std::string& name() const { return options_.name; }
  const config::NicProfile& profile() const { return options_.profile; }
  const Traits& traits() const { return traits_; }
  const std::array<uint8_t, 6>& mac() const { return mac_; }
  uint16_t mtu() const { return options_.mtu; }
  // Asks the driver, which may make a system call: for the control thread.
  bool link_up() const;

  // The queue pair of one worker: only that worker may touch it.
  EthdevQueue& queue(unsigned worker) { return *queues_[worker]; }

  // The counters of the port's devices, summed. May make system calls: for the control thread, not
  // for workers.
  struct DeviceCounters {
    uint64_t rx_missed = 0;     // no descriptor was free
    uint64_t rx_no_buffer = 0;  // the receive pool was empty
  };
  DeviceCounters device_counters() const;

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
