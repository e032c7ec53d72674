#pragma once
// The IPv4 header (RFC 791).

#include <cstdint>

#include "base/address.h"
#include "buf/slice.h"
#include "ip/output.h"

namespace sluice::ip {

inline constexpr uint32_t kIpv4Size = 20;  // without options

struct Ipv4 {
  Address source;
  Address destination;
  uint8_t protocol = 0;
  uint8_t tos = 0;
  uint8_t ttl = 0;
  uint16_t header_size = 0;  // bytes, options included
  uint16_t total_size = 0;   // bytes, header included
  uint16_t identification = 0;
  uint16_t fragmentation = 0;  // flags and fragment offset (RFC 791, 3.1)

  bool fragment() const { return (fragmentation & 0x3fff) != 0; }  // MF set, or an offset

  enum class Error : uint8_t { kNone, kShort, kVersion, kHeaderLength, kTotalLength, kChecksum };

  // `bytes` begins with the header. `size` is the number of all received bytes, those behind
  // `bytes` included; they may be more than the packet (Ethernet padding).
  static Error parse(buf::View bytes, uint32_t size, bool verify_checksum, Ipv4& out);
};

// Twenty bytes. The header checksum is zero: the port fills it (see ip::Link).
void emit_ipv4(uint8_t* p, const OutPacket& packet, uint16_t total_size);

}  // namespace sluice::ip
