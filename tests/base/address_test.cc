#include "base/address.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Address, an_ipv4_address_is_written_as_a_dotted_quad) {
  EXPECT_EQ(Address::parse("198.18.0.10")->str(), "198.18.0.10");
  EXPECT_TRUE(Address::parse("198.18.0.10")->is_v4());
  EXPECT_EQ(Address::parse("198.18.0.10")->v4_host(), 0xc612000au);
  EXPECT_EQ(Address::parse("2001:db8::1")->str(), "2001:db8::1");
  EXPECT_FALSE(Address::parse("198.18.0"));
  EXPECT_FALSE(Address::parse("pod1"));
}

TEST(Endpoint, an_ipv6_address_needs_brackets_and_an_ipv4_address_has_none) {
  EXPECT_EQ(Endpoint::parse("198.18.0.10:50051")->str(), "198.18.0.10:50051");
  EXPECT_EQ(Endpoint::parse("[2001:db8::1]:443")->str(), "[2001:db8::1]:443");
  for (const char* bad : {"198.18.0.10", "198.18.0.10:", "198.18.0.10:65536", "[1.2.3.4]:1",
                          "2001:db8::1:443", ":1", "1.2.3.4:-1", "1.2.3.4:8x"})
    EXPECT_FALSE(Endpoint::parse(bad)) << bad;
}

TEST(Prefix, contains_its_network_and_nothing_else) {
  const Prefix p = *Prefix::parse("198.18.1.1/23");
  EXPECT_TRUE(p.contains(*Address::parse("198.18.0.200")));
  EXPECT_TRUE(p.contains(*Address::parse("198.18.1.200")));
  EXPECT_FALSE(p.contains(*Address::parse("198.18.2.1")));
  EXPECT_EQ(p.str(), "198.18.1.1/23");
  EXPECT_TRUE(Prefix::parse("0.0.0.0/0")->contains(*Address::parse("9.9.9.9")));
  EXPECT_FALSE(Prefix::parse("0.0.0.0/0")->contains(*Address::parse("2001:db8::1")));
  EXPECT_FALSE(Prefix::parse("::/0")->contains(*Address::parse("9.9.9.9")));
  EXPECT_TRUE(Prefix::parse("::/0")->contains(*Address::parse("2001:db8::1")));
  for (const unsigned length : {1u, 63u, 64u, 65u, 127u, 128u}) {
    const Address a = *Address::parse("5555:5555:5555:5555:aaaa:aaaa:aaaa:aaaa");
    const Prefix around{a, static_cast<uint8_t>(length)};
    for (unsigned bit = 0; bit < 128; ++bit) {
      Address other = a;
      other.bytes[bit / 8] ^= static_cast<uint8_t>(0x80 >> bit % 8);
      EXPECT_EQ(around.contains(other), bit >= length) << length << ", " << bit;
    }
  }
  EXPECT_FALSE(Prefix::parse("1.2.3.4/33"));
}

}  // namespace
}  // namespace sluice
