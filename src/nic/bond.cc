#include "nic/bond.h"

#include <rte_eth_bond.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <array>
#include <string>

#include "nic/eal.h"

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

}  // namespace sluice::nic
