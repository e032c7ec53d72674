#pragma once
// A TAP device of the kernel (Documentation/networking/tuntap.rst): an Ethernet interface whose
// wire is a file descriptor. Each worker has a queue, which is a descriptor of its own.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "nic/identity.h"

namespace sluice::nic {

// "north" of the device "tun:north"; empty when the device is of another kind.
std::string tun_interface(const std::string& device);
// For the choice of a profile: the driver "tun".
DeviceIdentity tun_identity(const std::string& device);

struct TunOptions {
  std::string interface;  // the kernel's name, 15 bytes at most
  uint16_t mtu = 1500;    // bytes of an IP packet
  unsigned queues = 1;
};

// Owns the descriptors. The kernel removes an interface that it made when the last one is closed.
class TunDevice {
 public:
  // Opens the interface in the network namespace of the calling thread. An interface that does not
  // exist is made, with the MTU of the options, and set up. One that exists (made persistent by the
  // operator, and perhaps in a bridge) keeps its settings, and is set up if it is down. Throws
  // Error.
  explicit TunDevice(const TunOptions& options);
  ~TunDevice();
  TunDevice(TunDevice&&) = delete;

  // Non-blocking. A read gives a frame, and a write takes one, with a VirtioHeader in front.
  int queue(unsigned index) const { return queues_[index]; }

  // Sluice's own address: the interface's, with one bit of its first byte changed. The interface is
  // the peer at the other end of the wire, so the two must differ.
  const std::array<uint8_t, 6>& mac() const { return mac_; }

  // Also when the interface has been moved to another namespace. Makes a system call.
  bool up() const;

  // Frames that may wait for one queue (txqueuelen); 0 when the interface has left the namespace of
  // the calling thread.
  uint32_t queue_length() const;

  // What the kernel counted since the interface was made; zeros when the interface has left the
  // namespace of the calling thread.
  struct Counters {
    uint64_t unread = 0;   // frames for Sluice that found the queue full
    uint64_t refused = 0;  // frames of Sluice that the kernel dropped
  };
  Counters counters() const;

 private:
  void open_queue(bool multi_queue);
  void set_up(bool made, uint16_t mtu);
  void close_queues();

  std::string interface_;
  std::array<uint8_t, 6> mac_{};
  std::vector<int> queues_;
};

}  // namespace sluice::nic
