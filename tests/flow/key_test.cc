// Hashes of keys.

#include "flow/key.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::flow {
namespace {

constexpr SipKey kSecret{1, 2};

Key key(uint16_t port, uint8_t protocol = 6) {
  return {{Address::v4(0xc6120001), port}, {Address::v4(0xc612000a), 80}, protocol};
}

TEST(Key, every_part_of_it_reaches_the_hash) {
  for (const Address& a : {Address::v4(0xc6120001), *Address::parse("2001:db8::1")}) {
    const Key plain{{a, 40'000}, {a, 80}, 6};
    std::set<uint32_t> hashes{hash(kSecret, plain)};
    const auto differs = [&](auto change) {
      Key k = plain;
      change(k);
      EXPECT_NE(k, plain);
      return hashes.insert(hash(kSecret, k)).second;
    };
    EXPECT_TRUE(differs([](Key& k) { ++k.remote.port; }));
    EXPECT_TRUE(differs([](Key& k) { ++k.local.port; }));
    EXPECT_TRUE(differs([](Key& k) { ++k.remote.address.bytes[15]; }));
    EXPECT_TRUE(differs([](Key& k) { ++k.local.address.bytes[12]; }));
    EXPECT_TRUE(differs([](Key& k) { k.protocol = 17; }));
  }
}

TEST(Key, its_hash_follows_from_the_secret) {
  EXPECT_EQ(hash(kSecret, key(1)), hash(kSecret, key(1)));
  EXPECT_NE(hash(kSecret, key(1)), hash(SipKey{1, 3}, key(1)));
}

TEST(Key, low_bits_of_hashes_spread_neighbouring_ports) {
  std::set<uint32_t> slots;
  for (uint16_t port = 0; port < 256; ++port) slots.insert(hash(kSecret, key(port)) & 0xffff);
  EXPECT_GE(slots.size(), 250u);
}

}  // namespace
}  // namespace sluice::flow
