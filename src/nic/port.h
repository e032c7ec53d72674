#pragma once
// A network port that DPDK drives: its devices, and one queue pair for each worker.

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "nic/bond.h"
#include "nic/ethdev_queue.h"
#include "nic/network_port.h"
#include "nic/pools.h"
#include "nic/rss.h"
#include "nic/traits.h"

namespace sluice::nic {

struct PortOptions {
  std::string name;                  // "north"
  std::vector<std::string> devices;  // DPDK's names: "net_tap0", "0000:03:00.0"
  config::NicProfile profile;
  uint16_t mtu = 1500;          // bytes of an IP packet
  std::vector<uint16_t> vlans;  // the ids of the ports on these devices; 0: untagged
  // Whether the configuration names the profile. A claim of such a profile that the device does not
  // offer refuses the start; a claim of a profile that matched is done without, and noted.
  bool profile_named = true;
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
  bool profile_named() const { return options_.profile_named; }
  const std::vector<std::string>& device_names() const { return options_.devices; }
  // DPDK's numbers.
  const std::vector<uint16_t>& devices() const { return devices_; }
  // The link of one device of the port, and its members if the device is a bond. For the control
  // thread.
  stats::NicLink device_link(size_t device) const;
  std::vector<stats::NicMember> members(size_t device) const { return bonds_[device].members(); }
  // The descriptors of a queue, as the driver took them.
  struct Rings {
    uint16_t rx = 0;
    uint16_t tx = 0;
  };
  Rings rings() const { return rings_; }
  const RssState* rss() const override {
    return rss_.size() == 1 && rss_[0]->known() ? rss_[0].get() : nullptr;
  }
  // Of one device of the port.
  const RssState& rss(size_t device) const { return *rss_[device]; }
  // One sentence for each claim of the profile that is done without.
  const std::vector<std::string>& notes() const override { return notes_; }
  // The profile's word, or kNone when key and RETA are not known or the device's hashes differ from
  // software's. For any thread.
  config::Flows flows() const;

  // The queue pair of one worker: only that worker may touch it.
  EthdevQueue& queue(unsigned worker) override { return *queues_[worker]; }
  const EthdevQueue& queue(unsigned worker) const { return *queues_[worker]; }
  unsigned queues() const { return static_cast<unsigned>(queues_.size()); }

  // The counters of the port's devices, summed.
  DeviceCounters device_counters() const override;
  // nic/port_state.h.
  stats::NicPort state() const override;
  // Up when the links of all devices are.
  stats::NicLink link() override;
  std::string hash_fault() const override;

 private:
  // Throws Error, which names the port and the step, unless the result is 0.
  void check(int result, const char* step) const;
  void start(uint16_t device, uint16_t queues, const Pools& pools);
  // Configures the device and starts it.
  void run_device(uint16_t device, uint16_t queues, const Pools& pools, bool rx_interrupts,
                  std::vector<uint8_t>& rss_key);
  // False, and a note, where the device does not start with receive interrupts.
  bool run_with_interrupts(uint16_t device, uint16_t queues, const Pools& pools,
                           std::vector<uint8_t>& rss_key);
  void let_in_multicast(uint16_t device);
  bool tagged() const;
  void let_in_vlans(uint16_t device, const rte_eth_dev_info& info);
  // Throws Error when it differs from that of the port's first device.
  void take_mac(uint16_t device);
  void stop();

  PortOptions options_;
  Traits traits_;
  std::array<uint8_t, 6> mac_{};
  std::vector<uint16_t> devices_;
  std::vector<std::string> interfaces_;  // by device: the kernel's, behind it; empty: none
  std::vector<BondLinks> bonds_;         // by device
  std::vector<uint16_t> configured_;
  Rings rings_;
  std::deque<std::vector<uint8_t>> rss_keys_;   // by device
  std::vector<std::unique_ptr<RssState>> rss_;  // by device
  std::vector<std::string> notes_;
  std::vector<std::unique_ptr<EthdevQueue>> queues_;
};

}  // namespace sluice::nic
