#pragma once
// Bonds: two or more devices that DPDK's bonding driver presents as one. The bond is a device of
// its own, made by a vdev line, and a port uses the bond as any other device.

#include <cstdint>
#include <string>
#include <vector>

#include "stats/nic_port.h"

namespace sluice::nic {

// DPDK's numbers of a bond's members; empty: the device is no bond.
std::vector<uint16_t> bond_members(uint16_t device);

// A bond looks for its members when it is configured for the first time, and offers nothing before.
// Configures the device if it is a bond. Throws Error when a member does not fit, or there is none.
void join_members(uint16_t device);

// The links of a bond's members. An active-backup bond sends and receives through one member, and
// changes to another when the driver reports that the link is down. Some drivers report nothing
// (TAP), so this class looks as well. For the control thread.
class BondLinks {
 public:
  // Any device; one that is no bond has no members.
  explicit BondLinks(uint16_t device);

  bool is_bond() const { return !members_.empty(); }
  std::vector<stats::NicMember> members() const;
  // The bond's link, given the one that the bond's driver tells: up when a member carries frames.
  stats::NicLink link(const stats::NicLink& told) const;
  // When the active member's link is down for the second call in a row, changes to a member whose
  // link is up.
  void leave_dead_member();

 private:
  struct Member {
    uint16_t device;
    std::string interface;  // the kernel's, behind the device
  };

  static bool is_up(const Member& member);
  // Of active-backup; nullptr: there is none.
  const Member* active() const;
  void activate(uint16_t member) const;

  uint16_t device_;
  bool active_backup_;
  bool was_down_ = false;  // the active member's link, at the call before
  std::vector<Member> members_;
};

}  // namespace sluice::nic
