#include "worker/icmp_error.h"

#include <algorithm>

#include "base/byte_order.h"

namespace sluice::worker {

bool deliver_icmp_error(const ip::Input& in, tcp::Stack& tcp, Time now) {
  constexpr uint8_t kUnreachable = 3;
  constexpr uint8_t kFragmentationNeeded = 4;
  constexpr uint32_t kIpv4Size = 20;
  constexpr uint32_t kQuotedTransport = 8;  // RFC 792 promises as much of the packet: up to seq
  // What every host takes (RFC 791, 3.1); for routers from before RFC 1191, which name no MTU.
  constexpr uint32_t kAnyMtu = 576;

  // Total length and checksum of the quote are not looked at: routers on the way may have changed
  // or cut it.
  const uint8_t* p = in.segment.data();
  const uint32_t size = in.segment.size();
  if (in.icmp_type != kUnreachable || size < kIpv4Size || p[0] >> 4 != 4) return false;
  const uint32_t header = (p[0] & 15u) * 4;
  if (header < kIpv4Size || size < header + kQuotedTransport ||
      p[9] != static_cast<uint8_t>(ip::Protocol::kTcp))
    return false;
  const Endpoint local{Address::v4(p + 12), load_be16(p + header)};
  const Endpoint remote{Address::v4(p + 16), load_be16(p + header + 2)};
  const uint32_t seq = load_be32(p + header + 4);
  if (in.icmp_code == kFragmentationNeeded) {
    const uint32_t told = in.icmp_value & 0xffff;
    const uint32_t mtu = told == 0 ? kAnyMtu : std::max(told, kIpv4Size);
    tcp.packet_too_big(local, remote, seq, mtu - kIpv4Size, now);
  } else {
    tcp.unreachable(local, remote, seq, now);
  }
  return true;
}

}  // namespace sluice::worker
