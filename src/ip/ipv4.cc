#include "ip/ipv4.h"

#include "base/byte_order.h"
#include "ip/checksum.h"

namespace sluice::ip {

Ipv4::Error Ipv4::parse(buf::View b, uint32_t size, bool verify_checksum, Ipv4& out) {
  if (b.size() < kIpv4Size) return Error::kShort;
  const uint8_t* p = b.data();
  if (p[0] >> 4 != 4) return Error::kVersion;
  out.header_size = static_cast<uint16_t>((p[0] & 0xf) * 4);
  if (out.header_size < kIpv4Size || out.header_size > b.size()) return Error::kHeaderLength;
  out.total_size = load_be16(p + 2);
  if (out.total_size < out.header_size || out.total_size > size) return Error::kTotalLength;
  if (verify_checksum && checksum(b.first(out.header_size)) != 0) return Error::kChecksum;
  out.tos = p[1];
  out.identification = load_be16(p + 4);
  out.fragmentation = load_be16(p + 6);
  out.ttl = p[8];
  out.protocol = p[9];
  out.source = Address::v4(p + 12);
  out.destination = Address::v4(p + 16);
  return Error::kNone;
}

void emit_ipv4(uint8_t* p, const OutPacket& packet, uint16_t total_size) {
  p[0] = 0x45;
  p[1] = packet.tos;
  store_be16(p + 2, total_size);
  store_be16(p + 4, packet.identification);
  store_be16(p + 6, packet.fragmentation);
  p[8] = packet.ttl;
  p[9] = static_cast<uint8_t>(packet.protocol);
  store_be16(p + 10, 0);
  std::memcpy(p + 12, packet.source.v4_bytes(), 4);
  std::memcpy(p + 16, packet.destination.v4_bytes(), 4);
}

}  // namespace sluice::ip
