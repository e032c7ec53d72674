#include "nic/selftest.h"

#include <rte_ether.h>

#include <algorithm>

namespace sluice::nic {

namespace {

std::string number(uint64_t n) {
  return std::to_string(n);
}

std::string where(const Claim& claim) {
  return "port '" + claim.port + "' (" + claim.device + "): ";
}

}  // namespace

std::vector<std::string> find_missing_offers(const Claim& claim) {
  const config::NicProfile& p = claim.profile;
  const rte_eth_dev_info& info = claim.info;
  std::vector<std::string> missing;
  for (const OffloadClaim& o : offload_claims(p, info)) {
    if (o.claimed && !o.offered)
      missing.push_back(where(claim) + "profile '" + p.name + "' says " + o.key +
                        " = true, and the driver does not offer it. "
                        "Is it the right profile for this device? Otherwise set " +
                        o.key + " = false in it.");
  }
  if (p.flows == config::Flows::kRss && claim.queues > 1 && info.flow_type_rss_offloads == 0)
    missing.push_back(where(claim) + "profile '" + p.name +
                      "' says flows = \"rss\", and the driver offers no RSS. Set flows = \"none\" "
                      "in it.");
  if (p.multi_segment && p.tx_segments > most_segments(info))
    missing.push_back(
        where(claim) + "profile '" + p.name + "' says tx_segments = " + number(p.tx_segments) +
        ", and the driver takes " + number(most_segments(info)) +
        " buffers a frame. Set tx_segments = " + number(most_segments(info)) + " in it.");
  return missing;
}

std::vector<std::string> find_contradictions(const Claim& claim, rte_mempool* rx_pool) {
  const config::NicProfile& p = claim.profile;
  std::vector<std::string> wrong;
  const auto say = [&](const std::string& what) { wrong.push_back(where(claim) + what); };

  if (claim.mtu > p.max_mtu)
    say("mtu = " + number(claim.mtu) + " is more than the " + number(p.max_mtu) +
        " that profile '" + p.name + "' allows. Lower the port's mtu.");
  if (claim.info.max_mtu != 0 && claim.mtu > claim.info.max_mtu)
    say("mtu = " + number(claim.mtu) + " is more than the " + number(claim.info.max_mtu) +
        " that the driver allows. Lower the port's mtu.");
  const uint32_t frame = claim.mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
  const uint32_t room = rte_pktmbuf_data_room_size(rx_pool);
  // A frame that is longer than a buffer comes as a chain where profile and driver have it so.
  if (!traits_of(p, claim.info).scatter && p.rx_offset + frame > room)
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
