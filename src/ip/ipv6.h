#pragma once
// The IPv6 header and the extension headers between it and the transport header (RFC 8200).

#include <cstdint>

#include "base/address.h"
#include "buf/slice.h"
#include "ip/output.h"

namespace sluice::ip {

inline constexpr uint32_t kIpv6Size = 40;
inline constexpr uint32_t kIpv6MinMtu = 1280;  // RFC 8200, 5: every link takes as much

struct Ipv6 {
  Address source;
  Address destination;
  uint8_t protocol = 0;  // of the header behind the last extension header
  uint8_t tos = 0;       // traffic class
  uint8_t hop_limit = 0;
  uint16_t header_size = 0;  // bytes, extension headers included
  uint32_t total_size = 0;   // bytes, header included
  // Of a fragment, as IPv4 has them: flags and offset, with the flag that no router cuts the
  // packet.
  uint16_t fragmentation = kDontFragment;
  uint32_t identification = 0;

  // A part of a packet; an atomic fragment (RFC 6946) does not count.
  bool fragment() const { return (fragmentation & 0x3fff) != 0; }

  enum class Error : uint8_t { kNone, kShort, kVersion, kHeaderLength, kTotalLength, kOption };

  // `bytes` begins with the header. `size` is the number of all received bytes, those behind
  // `bytes` included; they may be more than the packet (Ethernet padding). kOption:
  // an unknown option that must not be ignored (RFC 8200, 4.2), a routing header with segments
  // left, or too many extension headers.
  static Error parse(buf::View bytes, uint32_t size, Ipv6& out);
};

// The fragment header (RFC 8200, 4.5) of kFragmentSize bytes; fragmentation as Ipv6 has it.
inline constexpr uint32_t kFragmentSize = 8;
uint16_t fragmentation_of(const uint8_t* header);
void emit_fragment(uint8_t* header, uint8_t protocol, uint16_t fragmentation,
                   uint32_t identification);

// The flow label of a packet: of its addresses, and four bytes that tell the flows between them
// apart.
inline uint32_t flow_label(uint64_t source_hash, uint64_t destination_hash, uint32_t bytes) {
  return static_cast<uint32_t>(mix64(source_hash ^ mix64(destination_hash + bytes)) & 0xfffff);
}

// Forty bytes. The flow label is a hash of addresses and ports (RFC 6437, 3), so that routers
// spread flows without reading the ports. That of a fragment is of the addresses alone.
void emit_ipv6(uint8_t* p, const OutPacket& packet);

}  // namespace sluice::ip
