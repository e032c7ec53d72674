#pragma once
// A port of Sluice's own on a TAP device: no DPDK device is behind it, and its frames are TCP
// packets of up to 64 KiB with partial checksums.

#include <memory>
#include <vector>

#include "nic/device_lock.h"
#include "nic/network_port.h"
#include "nic/pools.h"
#include "nic/tun_device.h"
#include "nic/tun_queue.h"

namespace sluice::nic {

struct TunPortOptions {
  std::string name;       // "north"
  std::string interface;  // the kernel's name
  std::string profile;    // its name
  bool profile_named = true;
  uint16_t mtu = 1500;  // bytes of an IP packet
};

class TunPort final : public NetworkPort {
 public:
  // The pools outlive the port. Throws Error.
  TunPort(const TunPortOptions& options, const Pools& pools, unsigned workers);

  const std::string& name() const override { return options_.name; }
  const std::array<uint8_t, 6>& mac() const override { return device_.mac(); }
  uint16_t mtu() const override { return options_.mtu; }
  PortQueue& queue(unsigned worker) override { return *queues_[worker]; }
  std::string steer(const FlowOwners& owners) override;
  const std::vector<std::string>& notes() const override { return notes_; }
  DeviceCounters device_counters() const override;
  stats::NicPort state() const override;
  stats::NicLink link() override { return {.up = device_.up()}; }
  std::string hash_fault() const override { return {}; }

 private:
  TunPortOptions options_;
  DeviceLocks lock_;
  TunDevice device_;
  bool steered_ = false;            // by Sluice's program in the kernel
  std::string steering_refused_;    // empty: it was not, or nobody asked for it
  std::vector<std::string> notes_;  // none: no claim of the profile is asked of the device
  std::vector<std::unique_ptr<TunQueue>> queues_;
};

}  // namespace sluice::nic
