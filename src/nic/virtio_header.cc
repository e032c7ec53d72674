#include "nic/virtio_header.h"

#include "base/byte_order.h"
#include "ip/ethernet.h"
#include "nic/frame.h"

namespace sluice::nic {

namespace {

constexpr uint32_t kVlanTag = 4;
constexpr uint16_t kEtherVlan = 0x8100;  // IEEE 802.1Q
constexpr uint32_t kIpv4Least = 20;
constexpr uint32_t kIpv6 = 40;
constexpr uint32_t kTcpLeast = 20;
constexpr uint16_t kTcpChecksum = 16;  // offset in the header
constexpr uint16_t kUdpChecksum = 6;

// The transport whose checksum is still to be filled.
struct Transport {
  bool v4 = true;
  uint8_t protocol = 0;
};

// Nothing unless the checksum's place is the one of TCP or UDP. Where IPv6 extension headers come
// first, any place behind the fixed header is believed.
std::optional<Transport> transport_at(buf::View first, uint16_t start, uint16_t offset) {
  if (offset != kTcpChecksum && offset != kUdpChecksum) return {};
  if (uint32_t{start} + offset + 2 > first.size()) return {};
  if (start < ip::kEthernetSize + kIpv4Least) return {};
  const uint8_t protocol = offset == kTcpChecksum ? kProtocolTcp : kProtocolUdp;
  uint32_t l2 = ip::kEthernetSize;
  if (load_be16(first.data() + l2 - 2) == kEtherVlan) l2 += kVlanTag;
  const uint16_t type = load_be16(first.data() + l2 - 2);
  const uint8_t* ip = first.data() + l2;
  if (type == ip::kEtherIpv4) {
    const uint32_t header = (ip[0] & 0x0fu) * 4;
    if (start != l2 + header || start < l2 + kIpv4Least || ip[9] != protocol) return {};
    return Transport{true, protocol};
  }
  if (type != ip::kEtherIpv6 || start < l2 + kIpv6) return {};
  const bool extended = ip[6] != kProtocolTcp && ip[6] != kProtocolUdp;
  if (!extended && (start != l2 + kIpv6 || ip[6] != protocol)) return {};
  return Transport{false, protocol};
}

}  // namespace

std::optional<VirtioReceived> read_virtio_header(const VirtioHeader& h, buf::View first,
                                                 uint32_t size) {
  VirtioReceived received;
  std::optional<Transport> transport;
  if ((h.flags & VirtioHeader::kNeedsChecksum) != 0) {
    transport = transport_at(first, h.csum_start, h.csum_offset);
    if (!transport) return {};
    received.checksum = ip::L4Checksum::kNone;
  } else if ((h.flags & VirtioHeader::kDataValid) != 0) {
    received.checksum = ip::L4Checksum::kGood;
  }
  const auto type = static_cast<uint8_t>(h.gso_type & ~VirtioHeader::kEcn);
  if (type == 0) return received;
  if (type != VirtioHeader::kTcpV4 && type != VirtioHeader::kTcpV6) return {};
  // 5.1.6.2: a packet that is to be cut has a partial checksum.
  if (!transport || transport->protocol != kProtocolTcp) return {};
  if (transport->v4 != (type == VirtioHeader::kTcpV4)) return {};
  if (h.gso_size == 0 || h.hdr_len > size) return {};
  if (h.csum_start + kTcpLeast > first.size()) return {};
  received.segment_size = h.gso_size;
  return received;
}

VirtioHeader virtio_header_of(const ip::OutFrame& frame, bool large) {
  VirtioHeader h;
  const uint16_t transport = frame.l2_size + frame.l3_size;
  h.flags = VirtioHeader::kNeedsChecksum;
  h.csum_start = transport;
  h.csum_offset = static_cast<uint16_t>(frame.l4_checksum_offset - transport);
  if (!large) return h;
  constexpr size_t kFlags = 13;  // of the TCP header
  constexpr uint8_t kCwr = 0x80;
  h.gso_type = frame.v4 ? VirtioHeader::kTcpV4 : VirtioHeader::kTcpV6;
  // CWR belongs into the first segment only (RFC 3168, 6.1.2), and the kernel sees to it.
  if ((frame.headers[transport + kFlags] & kCwr) != 0) h.gso_type |= VirtioHeader::kEcn;
  h.gso_size = frame.segment_size;
  h.hdr_len = static_cast<uint16_t>(frame.headers.size());
  return h;
}

}  // namespace sluice::nic
