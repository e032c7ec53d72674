#include "nic/link.h"

#include <rte_ethdev.h>

#include "nic/identity.h"

namespace sluice::nic {

stats::NicLink link_of_device(uint16_t device, const std::string& interface) {
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(device, &link) != 0) return {};
  const bool told =
      link.link_speed != RTE_ETH_SPEED_NUM_NONE && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN;
  return {
      .up = link.link_status == RTE_ETH_LINK_UP && (interface.empty() || has_carrier(interface)),
      .mbps = told ? link.link_speed : 0,
      .full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX};
}

}  // namespace sluice::nic
