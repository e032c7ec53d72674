#include "nic/traits.h"

#include <algorithm>

namespace sluice::nic {

uint16_t most_segments(const rte_eth_dev_info& device) {
  const auto limit = [](uint16_t n) { return n == 0 ? UINT16_MAX : n; };
  return std::min<uint16_t>(limit(device.tx_desc_lim.nb_seg_max),
                            limit(device.tx_desc_lim.nb_mtu_seg_max));
}

namespace {

// The offers of a device. An unoffered ability counts as offered, and is not asked for when the
// device is configured.
struct Offers {
  Offers(const config::NicProfile& profile, const rte_eth_dev_info& device)
      : tx(device.tx_offload_capa), rx(device.rx_offload_capa) {
    if (!profile.unoffered) return;
    if (profile.tso) tx |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
    if (profile.lro) rx |= kLro;
    if (profile.scatter) rx |= RTE_ETH_RX_OFFLOAD_SCATTER;
  }
  bool sends(uint64_t all) const { return (tx & all) == all; }
  bool receives(uint64_t all) const { return (rx & all) == all; }

  uint64_t tx;
  uint64_t rx;
};

}  // namespace

std::array<OffloadClaim, 6> offload_claims(const config::NicProfile& profile,
                                           const rte_eth_dev_info& device) {
  const Offers offers(profile, device);
  return {{{"multi_segment", profile.multi_segment, offers.sends(RTE_ETH_TX_OFFLOAD_MULTI_SEGS)},
           {"tx_checksum", profile.tx_checksum, offers.sends(kTxChecksum)},
           {"tso", profile.tso, offers.sends(RTE_ETH_TX_OFFLOAD_TCP_TSO)},
           {"rx_checksum", profile.rx_checksum, offers.receives(kRxChecksum)},
           {"lro", profile.lro, offers.receives(kLro)},
           {"scatter", profile.scatter, offers.receives(RTE_ETH_RX_OFFLOAD_SCATTER)}}};
}

Traits traits_of(const config::NicProfile& profile, const rte_eth_dev_info& device) {
  const Offers offers(profile, device);
  Traits t;
  t.tx_segments = std::min(profile.tx_segments, most_segments(device));
  t.multi_segment =
      profile.multi_segment && offers.sends(RTE_ETH_TX_OFFLOAD_MULTI_SEGS) && t.tx_segments > 1;
  t.tx_checksum = profile.tx_checksum && offers.sends(kTxChecksum);
  t.tx_ipv4_checksum = t.tx_checksum && offers.sends(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM);
  // A segmented packet is a chain, and hardware makes the checksum of every segment.
  t.tso =
      profile.tso && t.multi_segment && t.tx_checksum && offers.sends(RTE_ETH_TX_OFFLOAD_TCP_TSO);
  t.tso_length = t.tso && profile.tso_length;
  if (t.multi_segment) t.tx_offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  if (t.tx_checksum) t.tx_offloads |= kTxChecksum;
  if (t.tx_ipv4_checksum) t.tx_offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
  if (t.tso) t.tx_offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;

  t.rx_checksum = profile.rx_checksum && offers.receives(kRxChecksum);
  // The checksum field of a merged packet is worth nothing: only the NIC can have verified it.
  t.lro = profile.lro && t.rx_checksum && offers.receives(kLro);
  t.scatter = t.lro || (profile.scatter && offers.receives(RTE_ETH_RX_OFFLOAD_SCATTER));
  if (t.rx_checksum) t.rx_offloads |= kRxChecksum | RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
  if (t.lro) t.rx_offloads |= RTE_ETH_RX_OFFLOAD_TCP_LRO;
  if (t.scatter) t.rx_offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
  t.tx_offloads &= device.tx_offload_capa;
  t.rx_offloads &= device.rx_offload_capa;
  return t;
}

}  // namespace sluice::nic
