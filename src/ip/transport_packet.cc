#include "ip/transport_packet.h"

#include <cassert>

#include "ip/checksum.h"

namespace sluice::ip {

namespace {

// RFC 768: over IPv4 a sender may leave the checksum out.
bool omits_checksum(const TransportPacket& p) {
  constexpr uint32_t kUdpChecksum = 6;  // its offset
  return p.protocol == static_cast<uint8_t>(Protocol::kUdp) && p.source.is_v4() &&
         p.payload.front().size() >= kUdpChecksum + 2 &&
         load_be16(p.payload.front().data() + kUdpChecksum) == 0;
}

}  // namespace

bool verify_checksum(TransportPacket& p) {
  assert(p.protocol == static_cast<uint8_t>(Protocol::kTcp) ||
         p.protocol == static_cast<uint8_t>(Protocol::kUdp));
  if (p.checksum == L4Checksum::kGood || p.checksum == L4Checksum::kNone) return true;
  const bool intact =
      checksum_l4(p.source, p.destination, p.protocol, p.payload) == 0 || omits_checksum(p);
  p.checksum = intact ? L4Checksum::kGood : L4Checksum::kBad;
  return intact;
}

}  // namespace sluice::ip
