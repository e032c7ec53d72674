#include "nic/traits.h"

namespace sluice::nic {

Traits traits_of(const config::NicProfile& profile, const rte_eth_dev_info& device) {
  constexpr uint64_t kChecksums =
      RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
  const auto offers = [&device](uint64_t all) { return (device.tx_offload_capa & all) == all; };
  Traits t;
  t.multi_segment = profile.multi_segment && offers(RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
  t.tx_checksum = profile.tx_checksum && offers(kChecksums);
  // A segmented packet is a chain, and hardware makes the checksum of every segment.
  t.tso = profile.tso && t.multi_segment && t.tx_checksum && offers(RTE_ETH_TX_OFFLOAD_TCP_TSO);
  if (t.multi_segment) t.tx_offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  if (t.tx_checksum) t.tx_offloads |= kChecksums;
  if (t.tso) t.tx_offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
  return t;
}

}  // namespace sluice::nic
