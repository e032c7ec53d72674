// What is checked before a port starts, and what the operator reads when it does not.

#include <gtest/gtest.h>

#include "nic/eal.h"
#include "nic/pools.h"
#include "nic/selftest.h"
#include "nic/traits.h"

namespace sluice::nic {
namespace {

constexpr uint64_t kChecksums =
    RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

rte_eth_dev_info device(uint64_t tx_offloads) {
  rte_eth_dev_info info{};
  info.tx_offload_capa = tx_offloads;
  info.max_rx_queues = info.max_tx_queues = 4;
  info.max_mtu = 9000;
  return info;
}

config::NicProfile able() {
  config::NicProfile p;
  p.name = "able";
  p.multi_segment = p.tx_checksum = p.tso = true;
  p.max_mtu = 9000;
  p.max_queues = 4;
  return p;
}

TEST(Traits, are_what_profile_and_device_agree_on) {
  const uint64_t all = kChecksums | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_TSO;
  const Traits both = traits_of(able(), device(all));
  EXPECT_TRUE(both.multi_segment && both.tx_checksum && both.tso);
  EXPECT_EQ(both.tx_offloads, all);
  EXPECT_EQ(traits_of(config::NicProfile{}, device(all)).tx_offloads, 0u);
  EXPECT_EQ(traits_of(able(), device(0)).tx_offloads, 0u);
}

TEST(Traits, a_device_that_leaves_ipv4_headers_to_software_still_sums_tcp_and_udp) {
  const Traits t = traits_of(
      able(), device(kTxChecksum | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_TSO));
  EXPECT_TRUE(t.tx_checksum && t.tso);
  EXPECT_FALSE(t.tx_ipv4_checksum);
  EXPECT_EQ(t.tx_offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, 0u);
}

TEST(Traits, receive_offloads_are_asked_for_where_the_profile_claims_and_the_device_offers_them) {
  config::NicProfile p;
  rte_eth_dev_info info = device(0);
  info.rx_offload_capa = kRxChecksum | RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | kLro;
  EXPECT_EQ(traits_of(p, info).rx_offloads, 0u);
  p.rx_checksum = true;
  EXPECT_TRUE(traits_of(p, info).rx_checksum);
  EXPECT_EQ(traits_of(p, info).rx_offloads, kRxChecksum | RTE_ETH_RX_OFFLOAD_IPV4_CKSUM);
  p.lro = true;
  EXPECT_TRUE(traits_of(p, info).lro && traits_of(p, info).scatter);
  EXPECT_EQ(traits_of(p, info).rx_offloads, info.rx_offload_capa);
  info.rx_offload_capa = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_LRO;
  EXPECT_EQ(traits_of(p, info).rx_offloads, 0u);
}

TEST(Traits, an_unoffered_ability_is_used_without_being_asked_for) {
  config::NicProfile p = able();
  p.rx_checksum = p.lro = p.scatter = true;
  rte_eth_dev_info info = device(kTxChecksum | RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
  info.rx_offload_capa = kRxChecksum;
  EXPECT_FALSE(traits_of(p, info).tso || traits_of(p, info).lro);
  p.unoffered = true;
  const Traits t = traits_of(p, info);
  EXPECT_TRUE(t.tso && t.lro && t.scatter);
  EXPECT_EQ(t.tx_offloads, info.tx_offload_capa);
  EXPECT_EQ(t.rx_offloads, info.rx_offload_capa);
  for (const OffloadClaim& claim : offload_claims(p, info))
    EXPECT_EQ(claim.claimed, claim.offered) << claim.key;
}

TEST(Traits, a_frame_has_no_more_buffers_than_profile_and_device_allow) {
  config::NicProfile p = able();
  p.tx_segments = 16;
  rte_eth_dev_info info = device(RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
  EXPECT_EQ(traits_of(p, info).tx_segments, 16) << "the device does not say";
  info.tx_desc_lim.nb_seg_max = 40;
  info.tx_desc_lim.nb_mtu_seg_max = 12;
  EXPECT_EQ(traits_of(p, info).tx_segments, 12);
  info.tx_desc_lim.nb_seg_max = 1;
  EXPECT_FALSE(traits_of(p, info).multi_segment);
}

TEST(Traits, tso_needs_chains_and_checksums) {
  const Traits t = traits_of(able(), device(kChecksums | RTE_ETH_TX_OFFLOAD_TCP_TSO));
  EXPECT_TRUE(t.tx_checksum);
  EXPECT_FALSE(t.tso);
}

class SelfTest : public testing::Test {
 protected:
  void SetUp() override { pool_ = make_dense_pool("rx", 255, 2176, SOCKET_ID_ANY); }
  void TearDown() override { buf::free_pool(pool_); }

  std::string problems(const Claim& claim) {
    return lines(find_contradictions(claim, pool_)) + lines(find_missing_offers(claim));
  }
  static std::string lines(const std::vector<std::string>& all) {
    std::string text;
    for (const std::string& line : all) text += line + "\n";
    return text;
  }
  Claim sound() {
    return {
        "north", "net_x0",
        able(),  device(kChecksums | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_TSO),
        1500,    1};
  }
  rte_mempool* pool_ = nullptr;
};

TEST_F(SelfTest, has_nothing_to_say_about_a_port_that_fits) {
  EXPECT_EQ(problems(sound()), "");
}

TEST_F(SelfTest, names_each_claim_that_the_driver_does_not_offer) {
  Claim claim = sound();
  claim.info.tx_offload_capa = 0;
  const std::string text = problems(claim);
  for (const char* word : {"north", "multi_segment", "tx_checksum", "tso"})
    EXPECT_NE(text.find(word), std::string::npos) << word;
}

TEST_F(SelfTest, a_claim_that_is_not_offered_is_no_contradiction_of_a_profile_that_matched) {
  Claim claim = sound();
  claim.info.tx_offload_capa = 0;
  claim.info.tx_desc_lim.nb_seg_max = 4;
  EXPECT_EQ(lines(find_contradictions(claim, pool_)), "");
  EXPECT_NE(lines(find_missing_offers(claim)).find("Set tx_segments = 4 in it"), std::string::npos);
}

TEST_F(SelfTest, names_rss_that_is_not_offered_where_it_would_be_used) {
  Claim claim = sound();
  claim.profile.flows = config::Flows::kRss;
  EXPECT_EQ(problems(claim), "") << "one queue";
  claim.queues = 2;
  EXPECT_NE(problems(claim).find("flows = \"rss\""), std::string::npos);
}

TEST_F(SelfTest, refuses_frames_that_do_not_fit_behind_the_drivers_offset) {
  Claim claim = sound();
  claim.profile.rx_offset = 384;
  EXPECT_EQ(problems(claim), "");
  claim.mtu = 1800;
  EXPECT_NE(problems(claim).find("data_room"), std::string::npos);
}

TEST_F(SelfTest, refuses_an_mtu_that_profile_or_driver_do_not_allow) {
  Claim claim = sound();
  claim.profile.max_mtu = 1400;
  EXPECT_NE(problems(claim).find("mtu = 1500"), std::string::npos);
  claim = sound();
  claim.info.max_mtu = 1400;
  EXPECT_NE(problems(claim).find("mtu = 1500"), std::string::npos);
}

TEST_F(SelfTest, refuses_more_workers_than_the_device_has_queues) {
  Claim claim = sound();
  claim.queues = 5;
  EXPECT_NE(problems(claim).find("5 workers"), std::string::npos);
}

TEST_F(SelfTest, a_dense_pool_has_no_gaps) {
  EXPECT_TRUE(is_dense(pool_));
  Claim claim = sound();
  claim.profile.dense_pool = true;
  EXPECT_EQ(problems(claim), "");
}

TEST(Pools, keep_enough_buffers_back_to_refill_every_ring) {
  config::NicProfile p;
  p.rx_descriptors = 1024;
  EXPECT_GE(rx_reserve({p, p}, 2), 4u * 1024);
  EXPECT_LT(rx_reserve({p, p}, 2), 4u * 1024 + 2048);
}

TEST(Pools, keep_buffers_for_all_rings_of_a_queue) {
  config::NicProfile p;
  p.rx_descriptors = 1024;
  const uint32_t one_ring = rx_reserve({p, p}, 2);
  p.rx_rings = 2;
  EXPECT_EQ(rx_reserve({p, p}, 2), one_ring + 4 * 1024);
}

TEST(Pools, a_receive_pool_that_its_rings_would_empty_is_refused_with_the_number_it_needs) {
  config::NicProfile p;
  try {
    Pools pools({.rx_mbufs = 2000}, {p, p});
    FAIL() << "2000 buffers for two rings of 1024";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("rx_mbufs = 2000"), std::string::npos) << e.what();
  }
}

TEST(Pools, a_port_that_sends_from_its_receive_pool_gets_that_pool) {
  config::NicProfile af_xdp;
  af_xdp.dense_pool = af_xdp.tx_from_rx_pool = true;
  config::NicProfile other;
  Pools pools({.rx_mbufs = 16383, .tx_mbufs = 1023, .hold_mbufs = 511, .workers = 2},
              {af_xdp, other});
  EXPECT_EQ(pools.tx(af_xdp, 1).mempool(), pools.rx(1).mempool());
  EXPECT_NE(pools.tx(other, 1).mempool(), pools.rx(1).mempool());
  EXPECT_TRUE(is_dense(pools.rx(0).mempool()));
}

TEST(Pools, of_workers_are_apart_but_for_a_dense_one) {
  const PoolOptions options{.rx_mbufs = 16383, .tx_mbufs = 1023, .hold_mbufs = 511, .workers = 2};
  config::NicProfile dense;
  dense.dense_pool = true;
  {
    Pools pools(options, {config::NicProfile{}});
    EXPECT_NE(pools.rx(0).mempool(), pools.rx(1).mempool());
    EXPECT_NE(pools.tx({}, 0).mempool(), pools.tx({}, 1).mempool());
    EXPECT_NE(pools.hold(0).mempool(), pools.hold(1).mempool());
    EXPECT_EQ(pools.rx(0).size(), 8191u);
    ASSERT_EQ(pools.rx_of_others(0).size(), 1u);
    EXPECT_EQ(pools.rx_of_others(0)[0].mempool(), pools.rx(1).mempool());
  }
  Pools pools(options, {dense});
  EXPECT_EQ(pools.rx(0).mempool(), pools.rx(1).mempool());
  EXPECT_EQ(pools.rx(0).size(), 16383u);
  EXPECT_TRUE(pools.rx_of_others(0).empty());
  EXPECT_NE(pools.tx(dense, 0).mempool(), pools.tx(dense, 1).mempool());
}

TEST(EalArguments, pin_the_control_thread_and_each_worker) {
  const std::vector<std::string> args =
      eal_arguments({.worker_cores = {2, 3}, .control_core = 1, .pci = {"0000:03:00.0"}});
  const auto has = [&args](const std::string& a) {
    return std::find(args.begin(), args.end(), a) != args.end();
  };
  EXPECT_TRUE(has("0@1,1@2,2@3"));
  EXPECT_TRUE(has("--in-memory"));
  EXPECT_TRUE(has("0000:03:00.0"));
  EXPECT_FALSE(has("--no-pci"));
}

TEST(EalArguments, without_huge_pages_keep_out_of_the_way_of_other_processes) {
  const std::vector<std::string> args = eal_arguments({.worker_cores = {0}, .hugepages = false});
  const auto has = [&args](const std::string& a) {
    return std::find(args.begin(), args.end(), a) != args.end();
  };
  EXPECT_TRUE(has("--no-huge"));
  EXPECT_TRUE(has("--no-shconf"));
  EXPECT_FALSE(has("--in-memory")) << "EAL refuses the two together";
  EXPECT_TRUE(has("--no-pci"));
}

TEST(Eal, a_core_that_does_not_exist_is_named) {
  try {
    Eal eal({.worker_cores = {4000}});
    FAIL() << "core 4000";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("core 4000 of a worker"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace sluice::nic
