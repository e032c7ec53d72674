// The header of a TAP device, against VIRTIO 1.2, 5.1.6.

#include "nic/virtio_header.h"

#include <gtest/gtest.h>

#include "frames.h"

namespace sluice::nic {
namespace {

using ip::L4Checksum;

constexpr uint16_t kL4V4 = 34;
constexpr uint16_t kL4V6 = 54;

// What is read of `header` in front of a frame that lies in one buffer.
std::optional<VirtioReceived> read(const VirtioHeader& header, const std::vector<uint8_t>& frame) {
  return read_virtio_header(header, frame, static_cast<uint32_t>(frame.size()));
}

std::vector<uint8_t> tcp(bool v4 = true) {
  return TestFrame::tcp({std::string(3000, 'x')}, v4).flat();
}
std::vector<uint8_t> udp(bool v4 = true) {
  return TestFrame::udp({"question"}, v4).flat();
}

VirtioHeader partial(uint16_t start, uint16_t offset) {
  return {.flags = VirtioHeader::kNeedsChecksum, .csum_start = start, .csum_offset = offset};
}
VirtioHeader large(uint8_t type, uint16_t start) {
  VirtioHeader h = partial(start, 16);
  h.gso_type = type;
  h.gso_size = 1448;
  h.hdr_len = static_cast<uint16_t>(start + 20);
  return h;
}

TEST(VirtioHeader, an_empty_header_says_nothing_of_the_checksum) {
  const auto r = read({}, tcp());
  ASSERT_TRUE(r);
  EXPECT_EQ(r->checksum, L4Checksum::kUnknown);
  EXPECT_EQ(r->segment_size, 0);
}

TEST(VirtioHeader, valid_data_is_a_good_checksum) {
  const auto r = read({.flags = VirtioHeader::kDataValid}, tcp());
  ASSERT_TRUE(r);
  EXPECT_EQ(r->checksum, L4Checksum::kGood);
}

TEST(VirtioHeader, a_partial_checksum_is_verified_data_without_a_checksum) {
  for (const bool v4 : {true, false}) {
    const uint16_t l4 = v4 ? kL4V4 : kL4V6;
    for (const auto& r : {read(partial(l4, 16), tcp(v4)), read(partial(l4, 6), udp(v4))}) {
      ASSERT_TRUE(r);
      EXPECT_EQ(r->checksum, L4Checksum::kNone);
      EXPECT_EQ(r->segment_size, 0);
    }
  }
}

TEST(VirtioHeader, a_partial_checksum_in_another_place_than_the_transports_is_refused) {
  EXPECT_FALSE(read(partial(kL4V4 + 2, 16), tcp()));
  EXPECT_FALSE(read(partial(kL4V4, 6), tcp()));
  EXPECT_FALSE(read(partial(kL4V4, 16), udp()));
  EXPECT_FALSE(read(partial(kL4V4, 2), TestFrame::icmp({"ping"}).flat()));
  EXPECT_FALSE(read(partial(kL4V6, 16), tcp(true)));
  EXPECT_FALSE(read(partial(kL4V6, 6), tcp(false)));
  EXPECT_FALSE(read(partial(kL4V6 + 8, 16), tcp(false)));
  EXPECT_FALSE(read(partial(14, 16), tcp()));
  EXPECT_FALSE(read(partial(0, 16), tcp()));
  EXPECT_FALSE(read(partial(65535, 16), tcp()));
  EXPECT_FALSE(read(partial(kL4V4, 65535), tcp()));
}

TEST(VirtioHeader, a_checksum_behind_extension_headers_of_ipv6_is_believed) {
  std::vector<uint8_t> frame = tcp(false);
  frame[20] = 60;  // destination options
  EXPECT_TRUE(read(partial(kL4V6 + 8, 16), frame));
  EXPECT_FALSE(read(partial(kL4V6 - 1, 16), frame));
}

TEST(VirtioHeader, a_vlan_tag_moves_the_transport_header) {
  for (const bool v4 : {true, false}) {
    std::vector<uint8_t> frame = tcp(v4);
    frame.insert(frame.begin() + 12, {0x81, 0x00, 0x00, 0x05});
    const uint16_t l4 = v4 ? kL4V4 : kL4V6;
    EXPECT_TRUE(read(partial(l4 + 4, 16), frame));
    EXPECT_FALSE(read(partial(l4, 16), frame));
  }
}

TEST(VirtioHeader, a_partial_checksum_of_a_frame_that_is_not_ip_is_refused) {
  std::vector<uint8_t> frame = tcp();
  store_be16(&frame[12], 0x88b5);
  EXPECT_FALSE(read(partial(kL4V4, 16), frame));
}

TEST(VirtioHeader, a_checksum_outside_of_the_first_buffer_is_refused) {
  const std::vector<uint8_t> frame = tcp();
  EXPECT_FALSE(read_virtio_header(partial(kL4V4, 16), buf::View(frame).first(kL4V4 + 17), 3054));
  EXPECT_TRUE(read_virtio_header(partial(kL4V4, 16), buf::View(frame).first(kL4V4 + 18), 3054));
  EXPECT_FALSE(read_virtio_header(partial(kL4V4, 16), {}, 0));
}

TEST(VirtioHeader, a_large_packet_tells_the_size_of_its_segments) {
  for (const uint8_t ecn : {uint8_t{0}, VirtioHeader::kEcn}) {
    for (const bool v4 : {true, false}) {
      const auto type =
          static_cast<uint8_t>((v4 ? VirtioHeader::kTcpV4 : VirtioHeader::kTcpV6) | ecn);
      const auto r = read(large(type, v4 ? kL4V4 : kL4V6), tcp(v4));
      ASSERT_TRUE(r);
      EXPECT_EQ(r->checksum, L4Checksum::kNone);
      EXPECT_EQ(r->segment_size, 1448);
    }
  }
}

TEST(VirtioHeader, a_large_packet_that_contradicts_itself_is_refused) {
  EXPECT_FALSE(read(large(VirtioHeader::kTcpV6, kL4V4), tcp(true)));
  EXPECT_FALSE(read(large(VirtioHeader::kTcpV4, kL4V6), tcp(false)));
  VirtioHeader h = large(VirtioHeader::kTcpV4, kL4V4);
  h.gso_size = 0;
  EXPECT_FALSE(read(h, tcp()));
  h = large(VirtioHeader::kTcpV4, kL4V4);
  h.hdr_len = 3055;
  EXPECT_FALSE(read(h, tcp()));
  h = large(VirtioHeader::kTcpV4, kL4V4);
  h.flags = 0;
  EXPECT_FALSE(read(h, tcp())) << "a large packet has a partial checksum";
  h.flags = VirtioHeader::kDataValid;
  EXPECT_FALSE(read(h, tcp()));
  h = large(VirtioHeader::kTcpV4, kL4V4);
  h.csum_offset = 6;
  EXPECT_FALSE(read(h, udp())) << "TCP's segments of a UDP datagram";
  const std::vector<uint8_t> frame = tcp();
  EXPECT_FALSE(read_virtio_header(large(VirtioHeader::kTcpV4, kL4V4),
                                  buf::View(frame).first(kL4V4 + 19), 3054))
      << "the first buffer has not all of the TCP header";
}

TEST(VirtioHeader, segmentation_that_the_kernel_was_not_offered_is_refused) {
  for (const uint8_t type : {2, 3, 5, 6, 0x7f, 0x80 + 3})
    EXPECT_FALSE(read(large(type, kL4V4), tcp())) << unsigned{type};
}

TEST(VirtioHeader, a_sent_frame_asks_for_its_transport_checksum) {
  for (const bool v4 : {true, false}) {
    TestFrame t = TestFrame::tcp({"data"}, v4);
    const VirtioHeader h = virtio_header_of(t.out(), false);
    EXPECT_EQ(h.flags, VirtioHeader::kNeedsChecksum);
    EXPECT_EQ(h.csum_start, v4 ? kL4V4 : kL4V6);
    EXPECT_EQ(h.csum_offset, 16);
    EXPECT_EQ(h.gso_type, 0);
    EXPECT_EQ(h.gso_size, 0);
    TestFrame u = TestFrame::udp({"data"}, v4);
    EXPECT_EQ(virtio_header_of(u.out(), false).csum_offset, 6);
  }
}

TEST(VirtioHeader, a_sent_large_packet_tells_how_to_cut_it) {
  for (const bool v4 : {true, false}) {
    TestFrame t = TestFrame::tcp({std::string(4000, 'x')}, v4).in_segments_of(1440);
    t.l4()[13] = kAck;
    VirtioHeader h = virtio_header_of(t.out(), true);
    EXPECT_EQ(h.gso_type, v4 ? VirtioHeader::kTcpV4 : VirtioHeader::kTcpV6);
    EXPECT_EQ(h.gso_size, 1440);
    EXPECT_EQ(h.hdr_len, (v4 ? kL4V4 : kL4V6) + 20);
    EXPECT_TRUE(read(h, t.flat()));
    t.l4()[13] = kAck | kCwr;
    h = virtio_header_of(t.out(), true);
    EXPECT_EQ(h.gso_type, (v4 ? VirtioHeader::kTcpV4 : VirtioHeader::kTcpV6) | VirtioHeader::kEcn);
  }
}

}  // namespace
}  // namespace sluice::nic
