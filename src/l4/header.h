#pragma once
// The parts of TCP's and UDP's headers that forwarding reads.

#include <cstdint>

#include "ip/transport_packet.h"

namespace sluice::l4 {

inline constexpr auto kTcp = static_cast<uint8_t>(ip::Protocol::kTcp);
inline constexpr auto kUdp = static_cast<uint8_t>(ip::Protocol::kUdp);

inline constexpr uint32_t kTcpHeader = 20;  // bytes, without options
inline constexpr uint32_t kUdpHeader = 8;

// Flags of TCP (RFC 9293, 3.1), in the byte at kTcpFlags.
inline constexpr size_t kTcpFlags = 13;
inline constexpr uint8_t kFin = 0x01;
inline constexpr uint8_t kSyn = 0x02;
inline constexpr uint8_t kRst = 0x04;
inline constexpr uint8_t kPsh = 0x08;
inline constexpr uint8_t kAck = 0x10;
inline constexpr uint8_t kCwr = 0x80;

// Bytes of the transport header; 0 when the header is not whole.
inline uint32_t header_size(const ip::TransportPacket& p) {
  const buf::View front = p.payload.front().view();
  if (p.protocol != kTcp) return front.size() < kUdpHeader ? 0 : kUdpHeader;
  if (front.size() < kTcpHeader) return 0;
  const uint32_t size = (front[12] >> 4) * 4u;
  return size < kTcpHeader || size > front.size() ? 0 : size;
}

// The header is whole.
inline uint8_t tcp_flags(const ip::TransportPacket& p) {
  return p.payload.front().data()[kTcpFlags];
}

}  // namespace sluice::l4
