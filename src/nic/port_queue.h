#pragma once
// One worker's queue pair of a port: receives bursts and sends frames.

#include <cstdint>

#include "ip/forward_link.h"
#include "ip/in_frame.h"
#include "ip/output.h"

namespace sluice::nic {

// Written by the worker that owns the queue; the worker publishes what others should see.
struct QueueStats {
  uint64_t rx_packets = 0;
  uint64_t rx_bytes = 0;
  uint64_t rx_flattened = 0;     // arrived as a chain, and copied into one buffer
  uint64_t rx_oversize = 0;      // dropped: a chain that the port cannot hand on
  uint64_t rx_malformed = 0;     // dropped: contradicts what the device says of it
  uint64_t rx_overflow = 0;      // dropped: too many frames wait for another port of the device
  uint64_t rx_unknown_vlan = 0;  // dropped: a VLAN id of no port
  uint64_t tx_packets = 0;
  uint64_t tx_bytes = 0;
  // Dropped: the device took no more, and as many frames waited already as may wait.
  uint64_t tx_full = 0;
  uint64_t tx_no_memory = 0;   // not built: the pool was empty
  uint64_t tx_oversize = 0;    // not built: larger than a buffer or than the MTU
  uint64_t driver_cycles = 0;  // TSC cycles inside the driver, both directions
};

// Only the worker that owns the queue may touch it.
class PortQueue : public ip::Link, public ip::ForwardLink {
 public:
  PortQueue() = default;
  virtual ~PortQueue() = default;
  PortQueue(PortQueue&&) = delete;

  // Up to n frames (64 at most), which the caller owns. Looks at the device once; the device may
  // return fewer frames than it has. The bytes of out[0..n) are empty before; every other field is
  // written.
  virtual uint16_t receive(ip::InFrame* out, uint16_t n) = 0;

  // Frames are here that a receive() of another port on the same device brought.
  virtual bool waiting() const { return false; }

  // Builds the frame and gathers it: nothing needs to be sent before flush(). False when the frame
  // (or the rest of a segmented frame) was dropped and counted.
  bool transmit(const ip::OutFrame& frame) override = 0;

  // Gathers a complete frame as it is, checksums included: for forwarding. False as above.
  virtual bool transmit(buf::Slice frame) = 0;

  // As transmit().
  size_t forward(std::span<rte_mbuf* const> frames) override {
    size_t sent = 0;
    for (rte_mbuf* m : frames)
      if (transmit(buf::Slice(m))) ++sent;
    return sent;
  }

  // Sends all gathered frames; once a loop turn.
  virtual void flush() = 0;

  // Gathered frames that the device has not taken yet. The next flush() offers them again.
  virtual size_t unsent() const { return 0; }

  // A descriptor that stays the queue's: readable while a frame waits, or an eventfd that is
  // written to when a frame comes after interrupts(true). -1: there is none, and only receive()
  // tells.
  virtual int descriptor() const { return -1; }
  // Whether frames that come from now on write to the eventfd. After interrupts(true) look once
  // more: a frame may have come before.
  virtual void interrupts(bool /*on*/) {}

  const QueueStats& stats() const { return stats_; }

 protected:
  QueueStats stats_;
};

}  // namespace sluice::nic
