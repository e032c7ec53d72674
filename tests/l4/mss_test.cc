#include "l4/mss.h"

#include <gtest/gtest.h>

#include "fixture.h"

namespace sluice::l4 {
namespace {

using Options = std::vector<uint8_t>;

// A SYN with these options, filled to whole words; the options after the clamp.
Options clamped(Options options, uint16_t most) {
  const size_t size = options.size();
  while (options.size() % 4 != 0) options.push_back(0);
  std::vector<uint8_t> syn(20);
  syn[12] = static_cast<uint8_t>((20 + options.size()) / 4 << 4);
  syn[kTcpFlags] = kSyn;
  syn.insert(syn.end(), options.begin(), options.end());
  const Address a = ip::addr("198.18.0.1"), b = ip::addr("198.18.0.2");
  store_be16(syn.data() + kTcpChecksum, ip::checksum_l4(a, b, kTcp, syn));
  clamp_mss(syn.data(), static_cast<uint32_t>(syn.size()), most);
  EXPECT_EQ(ip::checksum_l4(a, b, kTcp, syn), 0);
  return {syn.begin() + 20, syn.begin() + 20 + static_cast<long>(size)};
}

TEST(Mss, is_lowered_wherever_it_stands) {
  EXPECT_EQ(clamped({2, 4, 5, 180}, 1400), (Options{2, 4, 5, 120}));
  EXPECT_EQ(clamped({1, 2, 4, 5, 180}, 1400), (Options{1, 2, 4, 5, 120}));
  EXPECT_EQ(clamped({4, 2, 1, 3, 3, 7, 2, 4, 5, 180}, 1400),
            (Options{4, 2, 1, 3, 3, 7, 2, 4, 5, 120}));
}

TEST(Mss, is_never_raised) {
  EXPECT_EQ(clamped({2, 4, 2, 24}, 1400), (Options{2, 4, 2, 24}));
}

TEST(Mss, stays_alone_in_options_that_are_broken) {
  EXPECT_EQ(clamped({}, 1400), Options{});
  EXPECT_EQ(clamped({3, 0, 2, 4, 5, 180}, 1400), (Options{3, 0, 2, 4, 5, 180}));
  EXPECT_EQ(clamped({3, 99, 2, 4, 5, 180}, 1400), (Options{3, 99, 2, 4, 5, 180}));
  EXPECT_EQ(clamped({0, 2, 4, 5, 180}, 1400), (Options{0, 2, 4, 5, 180}));
  EXPECT_EQ(clamped({2, 3, 5}, 1400), (Options{2, 3, 5}));
}

// The path between two versions of IP takes the segments of IPv6.
class MssOfFlows : public ForwarderTest {
 protected:
  MssOfFlows() : ForwarderTest({.client_v4 = true, .pod_v4 = false}) {}
};

TEST_F(MssOfFlows, fits_both_sides) {
  auto packet = received(kNorth, from_client(40'000, kSyn, std::string("\x02\x04\x05\xb4", 4)));
  uint8_t* header = packet.payload.front().mutable_data();
  header[12] = 0x60;  // the data are options
  store_be16(header + kTcpChecksum, 0);
  store_be16(header + kTcpChecksum,
             ip::checksum_l4(packet.source, packet.destination, kTcp, packet.payload.view()));
  give(std::move(packet));
  const Packet syn = only(south);
  EXPECT_TRUE(syn.intact);
  EXPECT_EQ(load_be16(ip::raw(syn.data, 2)), 1500 - 40 - 20);
}

}  // namespace
}  // namespace sluice::l4
