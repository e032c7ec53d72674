#pragma once
// The state of a port's devices, for an operator. The control thread asks the driver for it; no
// worker writes any of it.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::stats {

struct NicLink {
  bool up = false;
  uint32_t mbps = 0;  // 0: the driver does not tell
  bool full_duplex = true;
  std::string member;  // of a bond: the one that alone sends and receives (active-backup)
  bool operator==(const NicLink&) const = default;

  // "down", "up, 10 Gbit/s", "up, 100 Mbit/s, half duplex", "up, 10 Gbit/s, by 0000:03:00.0".
  std::string str() const {
    if (!up) return "down";
    std::string text = "up";
    if (mbps != 0)
      text += mbps % 1000 == 0 ? ", " + std::to_string(mbps / 1000) + " Gbit/s"
                               : ", " + std::to_string(mbps) + " Mbit/s";
    if (!full_duplex) text += ", half duplex";
    return member.empty() ? text : text + ", by " + member;
  }
};

struct NicMember {
  std::string name;  // DPDK's
  NicLink link;
};

struct NicDevice {
  std::string name;           // DPDK's: "0000:03:00.0"
  std::string driver;         // DPDK's: "net_ice"
  std::string pci;            // vendor and device: "8086:159b"; empty: not a PCI device
  std::string interface;      // the kernel's interface behind it; empty: none
  std::string kernel_driver;  // of that interface
  std::string mac;
  NicLink link;
  std::vector<NicMember> members;  // of a bond
  uint16_t mtu = 0;                // bytes of an IP packet
  uint16_t queues = 0;
  uint16_t rx_descriptors = 0;  // of a queue
  uint16_t tx_descriptors = 0;
  // The device's own counts since its start; those of drivers that are zero are left out.
  uint64_t rx_missed = 0;     // no descriptor was free
  uint64_t rx_errors = 0;     // damaged frames
  uint64_t rx_no_buffer = 0;  // the receive pool was empty
  uint64_t tx_errors = 0;
  std::vector<std::pair<std::string, uint64_t>> counters;  // DPDK's extended statistics
};

// An ability that the profile claims, beside what the device offers and what the port uses.
struct NicClaim {
  std::string key;  // of the profile
  std::string claimed;
  std::string offered;
  std::string used;
};

struct NicPort {
  std::string profile;
  bool profile_named = false;  // by the configuration; otherwise the profile matched the device
  std::string flows;           // "rss", "returns-where-sent", "steered" or "none", as used now
  std::string flows_reason;    // the hash check's result, or why the profile's word is not used
  std::vector<NicClaim> claims;
  std::vector<NicDevice> devices;
};

}  // namespace sluice::stats
