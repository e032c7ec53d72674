// The incremental checksum against a full computation.

#include "l4/rewrite.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "ip/checksum.h"

namespace sluice::l4 {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

Endpoint some_endpoint(Random& random, bool v4) {
  Endpoint e;
  if (v4) {
    e.address = Address::v4(static_cast<uint32_t>(random.next()));
  } else {
    for (uint8_t& b : e.address.bytes) b = static_cast<uint8_t>(random.next());
  }
  // Words of zeros and ones are where one's complement sums go wrong.
  const uint64_t kind = random.below(4);
  e.port = kind == 0 ? 0 : kind == 1 ? 0xffff : static_cast<uint16_t>(random.next());
  return e;
}

void fill(std::vector<uint8_t>& packet, uint8_t protocol, const Addresses& a) {
  store_be16(packet.data(), a.source.port);
  store_be16(packet.data() + 2, a.destination.port);
  store_be16(packet.data() + checksum_offset(protocol), 0);
  uint16_t sum = ip::checksum_l4(a.source.address, a.destination.address, protocol, packet);
  if (protocol == kUdp && sum == 0) sum = 0xffff;
  store_be16(packet.data() + checksum_offset(protocol), sum);
}

TEST(Rewrite, changes_the_checksum_as_a_full_computation_would) {
  Random random(1);
  for (int i = 0; i < 200'000; ++i) {
    const uint8_t protocol = random.chance(0.5) ? kTcp : kUdp;
    const bool v4 = random.chance(0.5);
    const Addresses from{some_endpoint(random, v4), some_endpoint(random, v4)};
    const Addresses to{some_endpoint(random, v4), some_endpoint(random, v4)};
    std::vector<uint8_t> packet(20 + random.below(16));
    for (uint8_t& b : packet) b = random.chance(0.2) ? 0 : static_cast<uint8_t>(random.next());
    fill(packet, protocol, from);
    std::vector<uint8_t> expected = packet;
    fill(expected, protocol, to);
    rewrite(packet.data(), protocol, from, to);
    // 0 and ffff are the same in one's complement; receivers take both.
    const uint16_t got = load_be16(packet.data() + checksum_offset(protocol));
    EXPECT_EQ(ip::checksum_l4(to.source.address, to.destination.address, protocol, packet), 0u);
    if (got != 0xffff && got != 0) {
      ASSERT_EQ(packet, expected);
    }
  }
}

TEST(Rewrite, keeps_damage_visible) {
  const Addresses from{*Endpoint::parse("10.0.0.1:1"), *Endpoint::parse("10.0.0.2:2")};
  const Addresses to{*Endpoint::parse("10.0.0.3:3"), *Endpoint::parse("10.0.0.4:4")};
  std::vector<uint8_t> packet(40);
  fill(packet, kTcp, from);
  packet[30] ^= 4;
  rewrite(packet.data(), kTcp, from, to);
  EXPECT_NE(ip::checksum_l4(to.source.address, to.destination.address, kTcp, packet), 0u);
}

TEST(Rewrite, keeps_the_absence_of_a_checksum_in_udp) {
  const Addresses from{*Endpoint::parse("10.0.0.1:1"), *Endpoint::parse("10.0.0.2:2")};
  const Addresses to{*Endpoint::parse("10.0.0.3:3"), *Endpoint::parse("10.0.0.4:4")};
  std::vector<uint8_t> packet(20);
  rewrite(packet.data(), kUdp, from, to);
  EXPECT_EQ(load_be16(packet.data() + kUdpChecksum), 0u);
  EXPECT_EQ(load_be16(packet.data()), 3u);
}

}  // namespace
}  // namespace sluice::l4
