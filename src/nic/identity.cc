#include "nic/identity.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "nic/bond.h"
#include "nic/interface_request.h"
#include "nic/port.h"

namespace sluice::nic {
namespace {

// The PCI bus describes a device as "vendor_id=8086, device_id=10d3".
std::string pci_id(const char* bus_info) {
  unsigned vendor = 0, device = 0;
  if (bus_info == nullptr ||
      std::sscanf(bus_info, "vendor_id=%x, device_id=%x", &vendor, &device) != 2)
    return {};
  char text[16];
  std::snprintf(text, sizeof text, "%04x:%04x", vendor & 0xffff, device & 0xffff);
  return text;
}

std::string text_or_nothing(const char* text) {
  return text == nullptr ? "" : text;
}

// False when the kernel refuses.
bool ask_kernel(unsigned long what, ifreq& request) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  const bool told = ::ioctl(socket, what, &request) == 0;
  ::close(socket);
  return told;
}

}  // namespace

std::string DeviceIdentity::str() const {
  std::string text = "driver " + driver + ", bus " + bus;
  if (!pci.empty()) text += ", PCI id " + pci;
  if (!interface.empty()) {
    text += ", interface " + interface;
    if (!kernel_driver.empty()) text += " of the kernel's driver " + kernel_driver;
  }
  return text;
}

DeviceIdentity identify(const std::string& port, const std::string& device) {
  DeviceIdentity identity{.device = device};
  uint16_t id = device_id(port, device);
  // The members of a bond are of one kind.
  if (const std::vector<uint16_t> members = bond_members(id); !members.empty())
    id = members.front();
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(id, &info) != 0) return identity;
  identity.driver = text_or_nothing(info.driver_name);
  if (info.device != nullptr) {
    identity.bus = text_or_nothing(rte_bus_name(rte_dev_bus(info.device)));
    identity.pci = pci_id(rte_dev_bus_info(info.device));
  }
  identity.interface = interface_of(info.if_index);
  if (!identity.interface.empty()) identity.kernel_driver = kernel_driver_of(identity.interface);
  return identity;
}

std::string interface_of(unsigned index) {
  char name[IF_NAMESIZE];
  return index != 0 && if_indextoname(index, name) != nullptr ? name : "";
}

// Not by IFF_RUNNING, which the kernel sets up to a second late.
bool has_carrier(const std::string& interface) {
  ethtool_value link{};
  link.cmd = ETHTOOL_GLINK;
  ifreq request = request_for(interface);
  request.ifr_data = reinterpret_cast<char*>(&link);
  return !ask_kernel(SIOCETHTOOL, request) || link.data != 0;
}

std::string kernel_driver_of(const std::string& interface) {
  ethtool_drvinfo driver{};
  driver.cmd = ETHTOOL_GDRVINFO;
  ifreq request = request_for(interface);
  request.ifr_data = reinterpret_cast<char*>(&driver);
  return ask_kernel(SIOCETHTOOL, request) ? std::string(driver.driver) : std::string();
}

}  // namespace sluice::nic
