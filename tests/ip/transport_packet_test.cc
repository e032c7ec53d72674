// What is done with each state in which a transport checksum may come.

#include "ip/transport_packet.h"

#include "fixture.h"

namespace sluice::ip {
namespace {

class Checksums : public HostTest {
 protected:
  TransportPacket packet(L4Checksum said, std::string bytes, uint8_t protocol = 6) {
    TransportPacket p;
    p.source = addr("198.18.0.1");
    p.destination = addr("198.18.0.10");
    p.protocol = protocol;
    p.checksum = said;
    p.payload = pool.filled(bytes);
    return p;
  }
  // A verdict, and the state afterwards.
  std::pair<bool, L4Checksum> verify(TransportPacket p) {
    const bool intact = verify_checksum(p);
    return {intact, p.checksum};
  }

  const std::string right = tcp("198.18.0.1", "198.18.0.10", "data");
  const std::string wrong = right.substr(0, 20) + "dato";
};

TEST_F(Checksums, that_nobody_summed_are_summed) {
  EXPECT_EQ(verify(packet(L4Checksum::kUnknown, right)), std::pair(true, L4Checksum::kGood));
  EXPECT_EQ(verify(packet(L4Checksum::kUnknown, wrong)), std::pair(false, L4Checksum::kBad));
}

TEST_F(Checksums, that_the_nic_found_wrong_are_summed_once_more) {
  EXPECT_EQ(verify(packet(L4Checksum::kBad, right)), std::pair(true, L4Checksum::kGood));
  EXPECT_EQ(verify(packet(L4Checksum::kBad, wrong)), std::pair(false, L4Checksum::kBad));
}

TEST_F(Checksums, that_the_nic_found_right_are_not_summed_again) {
  EXPECT_EQ(verify(packet(L4Checksum::kGood, wrong)), std::pair(true, L4Checksum::kGood));
}

TEST_F(Checksums, whose_field_holds_only_the_pseudo_header_stay_marked) {
  EXPECT_EQ(verify(packet(L4Checksum::kNone, wrong)), std::pair(true, L4Checksum::kNone));
}

TEST_F(Checksums, of_udp_over_ipv4_may_be_left_out_and_those_of_tcp_may_not) {
  const std::string udp("\x9c\x40\x00\x35\x00\x08\x00\x00", 8);
  EXPECT_EQ(verify(packet(L4Checksum::kUnknown, udp, 17)), std::pair(true, L4Checksum::kGood));
  EXPECT_EQ(verify(packet(L4Checksum::kUnknown, udp, 6)), std::pair(false, L4Checksum::kBad));
  TransportPacket over_ipv6 = packet(L4Checksum::kUnknown, udp, 17);
  over_ipv6.source = addr("2001:db8::1");
  over_ipv6.destination = addr("2001:db8::2");
  EXPECT_FALSE(verify_checksum(over_ipv6));
}

}  // namespace
}  // namespace sluice::ip
