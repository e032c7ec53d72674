#pragma once
// Several ports on one device, told apart by VLAN id (IEEE 802.1Q). Tags are read, removed and
// inserted in software.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "nic/port_queue.h"

namespace sluice::nic {

// The id of a port without a tag. A frame with a priority tag (id 0) belongs to that port too.
inline constexpr uint16_t kUntagged = 0;

// One worker's queue pair of a device that ports share. Each port has a queue of its own here.
class VlanTrunk {
 public:
  // device outlives the trunk. vlans: the id of each port, 0 to 4,094, each once.
  VlanTrunk(PortQueue& device, const std::vector<uint16_t>& vlans);
  ~VlanTrunk();
  VlanTrunk(VlanTrunk&&) = delete;

  // In the order of `vlans`.
  PortQueue& queue(size_t port);

 private:
  class Queue;
  // Takes one burst from the device and gives each frame to its port's queue.
  void receive();
  // Frames that the device's queue dropped count for the first port: nobody knows their tags.
  void count_lost();

  PortQueue& device_;
  QueueStats counted_{};
  std::vector<std::unique_ptr<Queue>> queues_;
  std::array<ip::InFrame, 32> burst_;
};

}  // namespace sluice::nic
