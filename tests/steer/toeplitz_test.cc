#include "steer/toeplitz.h"

#include <gtest/gtest.h>

namespace sluice::steer {
namespace {

// Microsoft, "Verifying the RSS hash calculation": the key and its test suite.
constexpr std::array<uint8_t, 40> kKey{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                       0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                       0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                       0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

uint32_t hash(const char* source, const char* destination) {
  return Toeplitz(kKey).hash(*Endpoint::parse(source), *Endpoint::parse(destination));
}

TEST(Toeplitz, hashes_ipv4_as_the_specification_of_rss_does) {
  EXPECT_EQ(hash("66.9.149.187:2794", "161.142.100.80:1766"), 0x51ccc178u);
  EXPECT_EQ(hash("199.92.111.2:14230", "65.69.140.83:4739"), 0xc626b0eau);
  EXPECT_EQ(hash("24.19.198.95:12898", "12.22.207.184:38024"), 0x5c2b394au);
  EXPECT_EQ(hash("38.27.205.30:48228", "209.142.163.6:2217"), 0xafc7327fu);
  EXPECT_EQ(hash("153.39.163.191:44251", "202.188.127.2:1303"), 0x10e828a2u);
}

TEST(Toeplitz, hashes_ipv6_as_the_specification_of_rss_does) {
  EXPECT_EQ(hash("[3ffe:2501:200:1fff::7]:2794", "[3ffe:2501:200:3::1]:1766"), 0x40207d3du);
  EXPECT_EQ(hash("[3ffe:501:8::260:97ff:fe40:efab]:14230", "[ff02::1]:4739"), 0xdde51bbfu);
}

}  // namespace
}  // namespace sluice::steer
