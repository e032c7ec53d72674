// The hash of RSS in software, and its comparison with a device's.

#include "nic/hash_check.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include "base/address.h"
#include "base/byte_order.h"

namespace sluice::nic {
namespace {

// The key and the vectors of Microsoft's "Verifying the RSS Hash Calculation".
const std::vector<uint8_t> kKey{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
constexpr uint32_t kHashV4 = 0x51ccc178;
constexpr uint32_t kHashV6 = 0x40207d3d;

RssState state() {
  RssState s;
  s.key = kKey;
  s.reta.assign(128, 0);
  s.types = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;
  return s;
}

// 66.9.149.187:2794 to 161.142.100.80:1766.
std::vector<uint8_t> frame_v4() {
  std::vector<uint8_t> f(14 + 20 + 20);
  store_be16(&f[12], 0x0800);
  f[14] = 0x45;
  store_be16(&f[16], 40);
  f[23] = 6;
  std::copy_n(Address::parse("66.9.149.187")->v4_bytes(), 4, &f[26]);
  std::copy_n(Address::parse("161.142.100.80")->v4_bytes(), 4, &f[30]);
  store_be16(&f[34], 2794);
  store_be16(&f[36], 1766);
  return f;
}

// [3ffe:2501:200:1fff::7]:2794 to [3ffe:2501:200:3::1]:1766.
std::vector<uint8_t> frame_v6() {
  std::vector<uint8_t> f(14 + 40 + 20);
  store_be16(&f[12], 0x86dd);
  f[14] = 0x60;
  store_be16(&f[18], 20);
  f[20] = 6;
  const uint8_t from[] = {0x3f, 0xfe, 0x25, 1, 2, 0, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 7};
  const uint8_t to[] = {0x3f, 0xfe, 0x25, 1, 2, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1};
  std::copy_n(from, 16, &f[22]);
  std::copy_n(to, 16, &f[38]);
  store_be16(&f[54], 2794);
  store_be16(&f[56], 1766);
  return f;
}

TEST(RssHash, of_tcp_is_the_one_that_microsoft_published) {
  EXPECT_EQ(rss_hash(state(), frame_v4()), kHashV4);
  EXPECT_EQ(rss_hash(state(), frame_v6()), kHashV6);
}

TEST(RssHash, is_unknown_for_frames_that_devices_hash_differently) {
  std::vector<uint8_t> f = frame_v4();
  f[23] = 17;
  EXPECT_EQ(rss_hash(state(), f), std::nullopt) << "UDP";
  f = frame_v4();
  store_be16(&f[20], 0x2000);
  EXPECT_EQ(rss_hash(state(), f), std::nullopt) << "a fragment";
  f = frame_v4();
  store_be16(&f[16], 24);
  EXPECT_EQ(rss_hash(state(), f), std::nullopt) << "no room for a TCP header";
  f = frame_v4();
  f[14] = 0x44;
  EXPECT_EQ(rss_hash(state(), f), std::nullopt) << "a header of 16 bytes";
  f = frame_v6();
  store_be16(&f[18], 4);
  EXPECT_EQ(rss_hash(state(), f), std::nullopt) << "no room for a TCP header";
  f = frame_v4();
  f.resize(36);
  EXPECT_EQ(rss_hash(state(), f), std::nullopt) << "cut off";
  f[12] = 0x08, f[13] = 0x06;
  EXPECT_EQ(rss_hash(state(), f), std::nullopt) << "ARP";
  RssState only_v6 = state();
  only_v6.types = RTE_ETH_RSS_NONFRAG_IPV6_TCP;
  EXPECT_EQ(rss_hash(only_v6, frame_v4()), std::nullopt);
}

TEST(RssHash, chooses_a_queue_by_its_low_bits) {
  RssState s = state();
  s.reta = {0, 1, 2, 3};
  EXPECT_EQ(s.queue_of(0x51ccc17a), 2);
}

class HashCheckTest : public testing::Test {
 protected:
  // Hands the frame to the check n times, with the hash that a device would have put beside it.
  void look(HashCheck& check, std::vector<uint8_t> frame, uint32_t hash, uint32_t n = 1,
            uint64_t flags = RTE_MBUF_F_RX_RSS_HASH) {
    rte_mbuf m{};
    m.buf_addr = frame.data();
    m.data_len = static_cast<uint16_t>(frame.size());
    m.ol_flags = flags;
    m.hash.rss = hash;
    rte_mbuf* one = &m;
    for (uint32_t i = 0; i < n; ++i) check.look({&one, 1});
  }
  RssState rss = state();
};

TEST_F(HashCheckTest, ends_after_a_thousand_hashes_that_agree) {
  HashCheck check(&rss, 0);
  look(check, frame_v4(), kHashV4, 600);
  EXPECT_TRUE(check.running());
  look(check, frame_v6(), kHashV6, 400);
  EXPECT_EQ(check.verdict(), HashVerdict::kAgrees);
  EXPECT_FALSE(check.running());
}

TEST_F(HashCheckTest, ends_at_the_first_hash_that_differs_and_knows_both) {
  HashCheck check(&rss, 0);
  look(check, frame_v4(), kHashV4, 10);
  look(check, frame_v4(), 42);
  EXPECT_EQ(check.verdict(), HashVerdict::kDiffers);
  EXPECT_EQ(check.of_device(), 42u);
  EXPECT_EQ(check.of_software(), kHashV4);
}

TEST_F(HashCheckTest, ends_at_the_first_frame_at_a_queue_that_its_hash_does_not_name) {
  rss.reta.assign(128, 1);
  for (const uint64_t flags : {uint64_t{RTE_MBUF_F_RX_RSS_HASH}, uint64_t{0}}) {
    HashCheck right(&rss, 1);
    look(right, frame_v4(), kHashV4, HashCheck::kFrames, flags);
    EXPECT_EQ(right.verdict(), HashVerdict::kAgrees);
    HashCheck wrong(&rss, 3);
    look(wrong, frame_v4(), kHashV4, 1, flags);
    EXPECT_EQ(wrong.verdict(), HashVerdict::kOtherQueue);
    EXPECT_TRUE(wrong.failed());
    EXPECT_EQ(wrong.of_device(), 3u);
    EXPECT_EQ(wrong.of_software(), 1u);
  }
}

TEST_F(HashCheckTest, passes_over_frames_that_are_not_tcp) {
  HashCheck check(&rss, 0);
  std::vector<uint8_t> udp = frame_v4();
  udp[23] = 17;
  look(check, udp, 42);
  EXPECT_TRUE(check.running());
  EXPECT_EQ(check.compared(), 0u);
}

TEST_F(HashCheckTest, does_not_begin_without_a_key) {
  RssState unknown;
  EXPECT_FALSE(HashCheck(&unknown, 0).running());
  EXPECT_FALSE(HashCheck(nullptr, 0).running());
}

}  // namespace
}  // namespace sluice::nic
