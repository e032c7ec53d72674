#pragma once
// Keeps two processes from opening the same device: the second one would take the device away from
// the first (an AF_XDP socket replaces the XDP program of the interface, and removes it at its
// end).

#include <string>
#include <vector>

namespace sluice::nic {

// The device that a `vdevs` line opens and that other processes could open too: the interface of
// "net_af_xdp0,iface=north,...". Empty for a line without `iface`: such a device lives inside the
// process.
std::string shared_device(const std::string& vdev);

// Holds a lock for each device, from construction to destruction. The lock is the name of a Unix
// socket in the abstract namespace (unix(7)). The kernel keeps such names apart for each network
// namespace, as it does with interfaces, and frees a name when its process ends, however the
// process ends. So no file is left behind, and a restart after SIGKILL finds the lock free.
class DeviceLocks {
 public:
  DeviceLocks() = default;
  // Throws Error, with the process that has the lock, when a device is taken. Waits for a process
  // that has the lock and is ending, after SIGKILL for example.
  explicit DeviceLocks(const std::vector<std::string>& devices);
  ~DeviceLocks();
  DeviceLocks(const DeviceLocks&) = delete;

 private:
  void take(const std::string& device);
  void release();

  std::vector<int> sockets_;
};

}  // namespace sluice::nic
