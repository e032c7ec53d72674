#include "nic/traits.h"

#include <algorithm>

namespace sluice::nic {

uint16_t most_segments(const rte_eth_dev_info& device) {
  const auto limit = [](uint16_t n) { return n == 0 ? UINT16_MAX : n; };
  return std::min<uint16_t>(limit(device.tx_desc_lim.nb_seg_max),
                            limit(device.tx_desc_lim.nb_mtu_seg_max));
}

std::array<OffloadClaim, 6> offload_claims(const config::NicProfile& profile,
                                           const rte_eth_dev_info& device) {
  const auto sends = [&device](uint64_t all) { return (device.tx_offload_capa & all) == all; };
  const auto receives = [&device](uint64_t all) { return (device.rx_offload_capa & all) == all; };
  return {{{"multi_segment", profile.multi_segment, sends(RTE_ETH_TX_OFFLOAD_MULTI_SEGS)},
           {"tx_checksum", profile.tx_checksum, sends(kTxChecksum)},
           {"tso", profile.tso, sends(RTE_ETH_TX_OFFLOAD_TCP_TSO)},
           {"rx_checksum", profile.rx_checksum, receives(kRxChecksum)},
           {"lro", profile.lro, receives(kLro)},
           {"scatter", profile.scatter, receives(RTE_ETH_RX_OFFLOAD_SCATTER)}}};
}

Traits traits_of(const config::NicProfile& profile, const rte_eth_dev_info& device) {
  const auto sends = [&device](uint64_t all) { return (device.tx_offload_capa & all) == all; };
  const auto receives = [&device](uint64_t all) { return (device.rx_offload_capa & all) == all; };
  Traits t;
  t.tx_segments = std::min(profile.tx_segments, most_segments(device));
  t.multi_segment =
      profile.multi_segment && sends(RTE_ETH_TX_OFFLOAD_MULTI_SEGS) && t.tx_segments > 1;
  t.tx_checksum = profile.tx_checksum && sends(kTxChecksum);
  t.tx_ipv4_checksum = t.tx_checksum && sends(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM);
  // A segmented packet is a chain, and hardware makes the checksum of every segment.
  t.tso = profile.tso && t.multi_segment && t.tx_checksum && sends(RTE_ETH_TX_OFFLOAD_TCP_TSO);
  t.tso_length = t.tso && profile.tso_length;
  if (t.multi_segment) t.tx_offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  if (t.tx_checksum) t.tx_offloads |= kTxChecksum;
  if (t.tx_ipv4_checksum) t.tx_offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
  if (t.tso) t.tx_offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;

  t.rx_checksum = profile.rx_checksum && receives(kRxChecksum);
  // The checksum field of a merged packet is worth nothing: only the NIC can have verified it.
  t.lro = profile.lro && t.rx_checksum && receives(kLro);
  t.scatter = t.lro || (profile.scatter && receives(RTE_ETH_RX_OFFLOAD_SCATTER));
  if (t.rx_checksum)
    t.rx_offloads |= kRxChecksum | (device.rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM);
  if (t.lro) t.rx_offloads |= RTE_ETH_RX_OFFLOAD_TCP_LRO;
  if (t.scatter) t.rx_offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
  return t;
}

}  // namespace sluice::nic
