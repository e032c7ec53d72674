#pragma once
// A port as the workers and the control thread see it, whoever drives it: DPDK (nic/port.h) or
// Sluice itself (nic/tun_port.h).

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "nic/port_queue.h"
#include "nic/rss.h"
#include "nic/steering_program.h"
#include "stats/nic_port.h"

namespace sluice::nic {

class NetworkPort {
 public:
  NetworkPort() = default;
  virtual ~NetworkPort() = default;
  NetworkPort(NetworkPort&&) = delete;

  virtual const std::string& name() const = 0;
  virtual const std::array<uint8_t, 6>& mac() const = 0;
  virtual uint16_t mtu() const = 0;  // bytes of an IP packet
  // One sentence for each claim of the profile that is done without.
  virtual const std::vector<std::string>& notes() const = 0;

  // The queue pair of one worker: only that worker may touch it.
  virtual PortQueue& queue(unsigned worker) = 0;

  // The hash by which the port spreads flows over its queues, which are worker by worker; nullptr:
  // the queue of a frame says nothing.
  virtual const RssState* rss() const { return nullptr; }

  // Has the port lead frames to the queues of their owners, if it can learn how (a TAP device).
  // Without it they are handed over. Once, before frames are received. Empty, or the reason why the
  // kernel refuses.
  virtual std::string steer(const FlowOwners&) { return {}; }

  // Frames that were lost before a worker saw them. May make system calls: for the control thread,
  // not for workers.
  struct DeviceCounters {
    uint64_t rx_missed = 0;     // no descriptor was free
    uint64_t rx_no_buffer = 0;  // the receive pool was empty
  };
  virtual DeviceCounters device_counters() const = 0;

  // The state of the port as its devices tell it, and the state of its link alone, which is cheap
  // enough for a look ten times a second, and has a bond leave a member that is down. They make
  // system calls: for the control thread.
  virtual stats::NicPort state() const = 0;
  virtual stats::NicLink link() = 0;
  // The difference between the devices' hashes and software's; empty: none so far.
  virtual std::string hash_fault() const = 0;
};

}  // namespace sluice::nic
