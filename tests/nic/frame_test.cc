#include "nic/frame.h"

#include <gtest/gtest.h>

#include "frames.h"

namespace sluice::nic {
namespace {

std::vector<uint8_t> with_checksums(TestFrame& f) {
  std::vector<uint8_t> frame = f.flat();
  if (f.out().v4) fill_ipv4_checksum(f.out(), frame.data());
  fill_l4_checksum(f.out(), frame.data(), static_cast<uint32_t>(frame.size()));
  return frame;
}

TEST(Checksums, software_fills_ipv4_and_tcp_over_even_and_odd_payloads) {
  for (size_t n = 0; n < 70; ++n) {
    TestFrame f = TestFrame::tcp({std::string(n, static_cast<char>(0x81 + n))});
    const std::vector<uint8_t> frame = with_checksums(f);
    EXPECT_TRUE(ipv4_checksum_right(frame)) << n;
    EXPECT_TRUE(l4_checksum_right(frame)) << n;
  }
}

TEST(Checksums, ipv6_sums_its_long_pseudo_header) {
  TestFrame f = TestFrame::tcp({"payload"}, false);
  EXPECT_TRUE(l4_checksum_right(with_checksums(f)));
}

TEST(Checksums, icmp_has_no_pseudo_header_and_icmpv6_has_one) {
  TestFrame v4 = TestFrame::icmp({"echo"});
  EXPECT_TRUE(l4_checksum_right(with_checksums(v4)));
  TestFrame v6 = TestFrame::icmp({"echo"}, false);
  EXPECT_TRUE(l4_checksum_right(with_checksums(v6)));
}

TEST(Checksums, a_udp_checksum_of_zero_is_sent_as_all_ones) {
  // The checksum of this datagram without the last word is what the last word then cancels.
  TestFrame probe = TestFrame::udp({std::string(2, '\0')});
  const uint16_t checksum = load_be16(with_checksums(probe).data() + 40);
  TestFrame f =
      TestFrame::udp({std::string{static_cast<char>(checksum >> 8), static_cast<char>(checksum)}});
  EXPECT_EQ(load_be16(with_checksums(f).data() + 40), 0xffff);
}

TEST(Checksums, hardware_gets_the_sum_of_the_pseudo_header) {
  TestFrame f = TestFrame::tcp({"0123456789"});
  std::vector<uint8_t> frame = f.flat();
  fill_pseudo_checksum(f.out(), frame.data(), 30);
  // What a NIC then does: sum everything from the transport header on, and invert.
  const std::vector<uint8_t> transport(frame.begin() + 34, frame.end());
  store_be16(frame.data() + 50, static_cast<uint16_t>(~naive_sum(transport)));
  EXPECT_TRUE(l4_checksum_right(frame));
}

struct Cut {
  uint32_t seq;
  uint8_t flags;
  uint16_t id;
  uint16_t length;
};

Cut cut(TestFrame& f, const Piece& piece) {
  std::vector<uint8_t> headers(f.out().headers.begin(), f.out().headers.end());
  cut_headers(f.out(), headers.data(), piece);
  const uint8_t* ip = headers.data() + 14;
  const bool v4 = f.out().v4;
  const uint8_t* tcp = ip + (v4 ? 20 : 40);
  return {load_be32(tcp + 4), tcp[13], load_be16(ip + 4), load_be16(ip + (v4 ? 2 : 4))};
}

TEST(CutHeaders, the_first_piece_keeps_cwr_and_loses_fin_and_psh) {
  TestFrame f = TestFrame::tcp({std::string(250, 'x')}).in_segments_of(100);
  const Cut c = cut(f, {.index = 0, .offset = 0, .size = 100, .last = false});
  EXPECT_EQ(c.seq, 1000u);
  EXPECT_EQ(c.flags, kAck | kCwr);
  EXPECT_EQ(c.length, 20 + 20 + 100);
  EXPECT_EQ(c.id, 0xffff);
}

TEST(CutHeaders, the_last_piece_keeps_fin_and_psh_and_loses_cwr) {
  TestFrame f = TestFrame::tcp({std::string(250, 'x')}).in_segments_of(100);
  const Cut c = cut(f, {.index = 2, .offset = 200, .size = 50, .last = true});
  EXPECT_EQ(c.seq, 1200u);
  EXPECT_EQ(c.flags, kAck | kPsh | kFin);
  EXPECT_EQ(c.length, 20 + 20 + 50);
  EXPECT_EQ(c.id, 1) << "the identification counts on, and wraps";
}

TEST(CutHeaders, the_length_of_ipv6_leaves_its_header_out) {
  TestFrame f = TestFrame::tcp({std::string(250, 'x')}, false).in_segments_of(100);
  EXPECT_EQ(cut(f, {.index = 1, .offset = 100, .size = 100, .last = false}).length, 20 + 100);
}

TEST(PayloadReader, reads_across_pieces_of_any_size) {
  const std::string parts[] = {"a", "", "bcd", "efghij", ""};
  std::vector<buf::Fragment> views;
  for (const std::string& p : parts)
    views.emplace_back(buf::View(reinterpret_cast<const uint8_t*>(p.data()), p.size()));
  PayloadReader reader(views);
  uint8_t out[10] = {};
  reader.copy(out, 3);
  reader.copy(out + 3, 0);
  reader.copy(out + 3, 7);
  EXPECT_EQ(std::string(reinterpret_cast<char*>(out), 10), "abcdefghij");
}

}  // namespace
}  // namespace sluice::nic
