#include "ip/transport_packet.h"

#include <algorithm>
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

uint32_t summed_size(const TransportPacket& p) {
  constexpr uint32_t kUdpLength = 4, kUdpHeader = 8;  // offset and bytes
  const uint32_t all = p.payload.size();
  const buf::View front = p.payload.front().view();
  if (p.protocol != static_cast<uint8_t>(Protocol::kUdp) || front.size() < kUdpHeader) return all;
  const uint32_t told = load_be16(front.data() + kUdpLength);
  return told < kUdpHeader ? all : std::min(told, all);
}

bool verify_checksum(TransportPacket& p) {
  assert(p.protocol == static_cast<uint8_t>(Protocol::kTcp) ||
         p.protocol == static_cast<uint8_t>(Protocol::kUdp));
  if (p.checksum == L4Checksum::kGood || p.checksum == L4Checksum::kNone) return true;
  const uint32_t size = summed_size(p);
  const uint16_t left =
      size == p.payload.size()
          ? checksum_l4(p.source, p.destination, p.protocol, p.payload)
          : fold(sum_words(p.payload, size,
                           sum_pseudo_header(p.source, p.destination, p.protocol, size)));
  const bool intact = left == 0 || omits_checksum(p);
  p.checksum = intact ? L4Checksum::kGood : L4Checksum::kBad;
  return intact;
}

}  // namespace sluice::ip
