#include "nic/bond.h"

#include <rte_eth_bond.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <array>
#include <string>

#include "nic/eal.h"
#include "nic/identity.h"
#include "nic/link.h"

namespace sluice::nic {
namespace {

bool is_bond(uint16_t device) {
  return rte_eth_bond_mode_get(device) >= 0;
}

std::string name_of(uint16_t device) {
  char name[RTE_ETH_NAME_MAX_LEN];
  return rte_eth_dev_get_name_by_port(device, name) == 0 ? name : std::to_string(device);
}

}  // namespace

std::vector<uint16_t> bond_members(uint16_t device) {
  std::array<uint16_t, RTE_MAX_ETHPORTS> members;
  const int n = is_bond(device)
                    ? rte_eth_bond_slaves_get(device, members.data(), uint16_t{members.size()})
                    : 0;
  return {members.begin(), members.begin() + std::max(n, 0)};
}

void join_members(uint16_t device) {
  if (!is_bond(device)) return;
  const rte_eth_conf conf{};
  const int result = rte_eth_dev_configure(device, 1, 1, &conf);
  if (result == 0 && !bond_members(device).empty()) return;
  throw Error("the bond '" + name_of(device) + "' has no members: " +
              (result == 0 ? "its vdev line names none"
                           : "one of those that its vdev line names does not exist or does not "
                             "fit the others; the driver's own lines say more"));
}

BondLinks::BondLinks(uint16_t device)
    : device_(device), active_backup_(rte_eth_bond_mode_get(device) == BONDING_MODE_ACTIVE_BACKUP) {
  for (const uint16_t member : bond_members(device)) {
    rte_eth_dev_info info{};
    const bool told = rte_eth_dev_info_get(member, &info) == 0;
    members_.push_back({member, told ? interface_of(info.if_index) : std::string()});
  }
}

std::vector<stats::NicMember> BondLinks::members() const {
  std::vector<stats::NicMember> all;
  for (const Member& m : members_)
    all.push_back({name_of(m.device), link_of_device(m.device, m.interface)});
  return all;
}

bool BondLinks::is_up(const Member& member) {
  return link_of_device(member.device, member.interface).up;
}

const BondLinks::Member* BondLinks::active() const {
  const int active = rte_eth_bond_primary_get(device_);
  const auto m = std::find_if(members_.begin(), members_.end(),
                              [&](const Member& member) { return member.device == active; });
  return m == members_.end() ? nullptr : &*m;
}

stats::NicLink BondLinks::link(const stats::NicLink& told) const {
  stats::NicLink link = told;
  if (!link.up || members_.empty()) return link;
  if (!active_backup_) {
    link.up = std::any_of(members_.begin(), members_.end(), is_up);
    return link;
  }
  const Member* member = active();
  link.up = member != nullptr && is_up(*member);
  if (link.up) link.member = name_of(member->device);
  return link;
}

void BondLinks::leave_dead_member() {
  if (!active_backup_) return;
  const Member* member = active();
  const bool down = member == nullptr || !is_up(*member);
  if (down && was_down_) {
    const auto alive = std::find_if(members_.begin(), members_.end(), is_up);
    if (alive != members_.end()) activate(alive->device);
  }
  was_down_ = down;
}

// The active member has the bond's MAC address, which setting it gives to the new one.
void BondLinks::activate(uint16_t member) const {
  rte_ether_addr mac;
  if (rte_eth_bond_primary_set(device_, member) == 0 && rte_eth_macaddr_get(device_, &mac) == 0)
    rte_eth_bond_mac_address_set(device_, &mac);
}

}  // namespace sluice::nic
