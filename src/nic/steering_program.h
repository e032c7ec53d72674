#pragma once
// A program that the kernel runs for each frame to a TAP device with several queues: it chooses the
// queue of the worker that owns the frame's flow (TUNSETSTEERINGEBPF). Without the program the
// kernel remembers the queue that last sent to a flow, for 3 s and for 4,096 flows
// (drivers/net/tun.c).

#include <linux/bpf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/hash.h"

namespace sluice::nic {

// The facts by which every worker computes the owner of a flow (steer/owner.h).
struct FlowOwners {
  unsigned workers = 1;
  SipKey key;  // of flow::hash()
  // Connections that Sluice opens: from these addresses, and from ports of this range. The owner is
  // the port's remainder by the number of workers.
  std::vector<Address> addresses;
  uint16_t first_port = 0;
  uint16_t last_port = 0;
};

// The queue of a TCP or UDP frame over IPv4 or IPv6 is the owner of its flow; that of any other
// frame, of fragments, and of IPv6 packets with extension headers is 0.
std::vector<bpf_insn> steering_program(const FlowOwners& owners);

// Loads the program and gives it to the TAP device behind the descriptor, whose queues must all be
// open. Empty, or the reason why the kernel refuses. The device keeps the program.
std::string attach_steering(int tap, const FlowOwners& owners);

}  // namespace sluice::nic
