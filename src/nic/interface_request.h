#pragma once
// Requests to the kernel about an interface (netdevice(7)).

#include <net/if.h>

#include <string>

namespace sluice::nic {

// With the interface's name, cut to what the kernel takes.
inline ifreq request_for(const std::string& interface) {
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

}  // namespace sluice::nic
