#include "nic/selftest.h"

#include <rte_ether.h>

#include <algorithm>

namespace sluice::nic {

namespace {

struct Offload {
  bool claimed;
  uint64_t bits;
  const char* key;
};

std::string number(uint64_t n) {
  return std::to_string(n);
}

}  // namespace

std::vector<std::string> find_contradictions(const Claim& claim, rte_mempool* rx_pool) {
  const config::NicProfile& p = claim.profile;
  std::vector<std::string> wrong;
  const std::string where = "port '" + claim.port + "' (" + claim.device + "): ";
  const auto say = [&](const std::string& what) { wrong.push_back(where + what); };

  const Offload offloads[] = {
      {p.multi_segment, RTE_ETH_TX_OFFLOAD_MULTI_SEGS, "multi_segment"},
      {p.tx_checksum,
       RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM,
       "tx_checksum"},
      {p.tso, RTE_ETH_TX_OFFLOAD_TCP_TSO, "tso"},
  };
  for (const Offload& o : offloads) {
    if (o.claimed && (claim.info.tx_offload_capa & o.bits) != o.bits)
      say("profile '" + p.name + "' says " + o.key +
          " = true, and the driver does not offer it. "
          "Is it the right profile for this device? Otherwise set " +
          o.key + " = false in it.");
  }
  if (p.rss && claim.queues > 1 && claim.info.flow_type_rss_offloads == 0)
    say("profile '" + p.name +
        "' says rss = true, and the driver offers none. Set rss = false "
        "in it.");

  if (claim.mtu > p.max_mtu)
    say("mtu = " + number(claim.mtu) + " is more than the " + number(p.max_mtu) +
        " that profile '" + p.name + "' allows. Lower the port's mtu.");
  if (claim.info.max_mtu != 0 && claim.mtu > claim.info.max_mtu)
    say("mtu = " + number(claim.mtu) + " is more than the " + number(claim.info.max_mtu) +
        " that the driver allows. Lower the port's mtu.");
  const uint32_t frame = claim.mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
  const uint32_t room = rte_pktmbuf_data_room_size(rx_pool);
  if (p.rx_offset + frame > room)
    say("a frame of mtu = " + number(claim.mtu) + " needs a data_room of " +
        number(p.rx_offset + frame) + " bytes with this driver, and buffers have " + number(room) +
        ". Raise data_room in the DPDK configuration or lower the port's mtu.");

  const uint32_t most =
      std::min<uint32_t>({p.max_queues, claim.info.max_rx_queues, claim.info.max_tx_queues});
  if (claim.queues > most)
    say(number(claim.queues) + " workers need as many queues of this device, and it has " +
        number(most) + ". Use fewer workers, or give the port one device for each worker.");

  if (p.dense_pool && !is_dense(rx_pool))
    say("the receive pool has gaps, and this driver would read and write beside its buffers.");
  return wrong;
}

}  // namespace sluice::nic
