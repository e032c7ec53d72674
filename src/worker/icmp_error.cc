#include "worker/icmp_error.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/byte_order.h"
#include "ip/icmp.h"

namespace sluice::worker {

namespace {

constexpr uint32_t kQuotedTransport = 8;  // RFC 792 promises as much of the packet: up to seq

// The segment of ours that an error quotes.
struct Quoted {
  Endpoint local;
  Endpoint remote;
  uint32_t seq = 0;
};

// Length and checksum of the quote are not looked at: routers on the way may have changed or cut
// it. Sluice sends no IPv6 extension headers, so none is looked through.
std::optional<Quoted> quoted_segment(buf::View quote) {
  const uint8_t* p = quote.data();
  if (quote.empty()) return std::nullopt;
  const bool v4 = p[0] >> 4 == 4;
  if (!v4 && p[0] >> 4 != 6) return std::nullopt;
  const uint32_t least = v4 ? ip::kIpv4Size : ip::kIpv6Size;
  const uint32_t header = v4 ? (p[0] & 15u) * 4 : ip::kIpv6Size;
  if (header < least || quote.size() < header + kQuotedTransport) return std::nullopt;
  if (p[v4 ? 9 : 6] != static_cast<uint8_t>(ip::Protocol::kTcp)) return std::nullopt;
  Quoted q;
  if (v4) {
    q.local.address = Address::v4(p + 12);
    q.remote.address = Address::v4(p + 16);
  } else {
    std::memcpy(q.local.address.bytes.data(), p + 8, 16);
    std::memcpy(q.remote.address.bytes.data(), p + 24, 16);
  }
  q.local.port = load_be16(p + header);
  q.remote.port = load_be16(p + header + 2);
  q.seq = load_be32(p + header + 4);
  return q;
}

}  // namespace

bool deliver_icmp_error(const ip::Input& in, tcp::Stack& tcp, Time now) {
  // What every host takes (RFC 791, 3.1); for routers from before RFC 1191, which name no MTU.
  constexpr uint32_t kAnyMtu = 576;
  const bool v4 = in.source.is_v4();
  const bool unreachable = in.icmp_type == (v4 ? ip::icmp::kUnreachable : ip::icmp6::kUnreachable);
  const bool too_big = v4 ? unreachable && in.icmp_code == ip::icmp::kFragmentationNeeded
                          : in.icmp_type == ip::icmp6::kPacketTooBig;
  if (!unreachable && !too_big) return false;
  const auto quoted = quoted_segment(in.segment.view());
  if (!quoted || quoted->local.address.is_v4() != v4) return false;
  if (!too_big) {
    tcp.unreachable(quoted->local, quoted->remote, quoted->seq, now);
  } else if (v4) {
    const uint32_t told = in.icmp_value & 0xffff;
    const uint32_t mtu = told == 0 ? kAnyMtu : std::max(told, ip::kIpv4Size);
    tcp.packet_too_big(quoted->local, quoted->remote, quoted->seq, mtu - ip::kIpv4Size, now);
  } else {
    // RFC 8201, 4: nobody may ask for less than every link takes.
    const uint32_t mtu = std::clamp<uint32_t>(in.icmp_value, ip::kIpv6MinMtu, 0xffff);
    tcp.packet_too_big(quoted->local, quoted->remote, quoted->seq, mtu - ip::kIpv6Size, now);
  }
  return true;
}

}  // namespace sluice::worker
