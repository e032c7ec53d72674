#pragma once
// The XDP program of an interface, as the kernel knows it. AF_XDP receives through such a program;
// without it the kernel takes every frame, and the port receives nothing.

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::nic {

struct XdpProgram {
  uint32_t id = 0;
  std::string name;
  // libxdp's own program for AF_XDP sockets, or the dispatcher that contains it. A process that was
  // killed leaves the program behind, and the next AF_XDP socket uses it again.
  bool for_sockets() const;
};

// The interface that an AF_XDP `vdevs` line receives from; empty for any other line.
std::string xdp_interface(const std::string& vdev);

// The program that is attached to the interface; nullopt when there is none or the kernel does not
// tell.
std::optional<XdpProgram> attached_program(const std::string& interface);

// Throws Error when the interface has a program that is not for AF_XDP sockets. The driver would
// replace it, and remove it at the end, though another process attached it.
void refuse_foreign_program(const std::string& interface);

}  // namespace sluice::nic
