#pragma once
// The interfaces of sending: how a transport hands a packet to IP, and how IP hands a frame to a
// port.

#include <cstdint>
#include <span>

#include "base/address.h"
#include "base/chrono.h"
#include "buf/slice.h"

namespace sluice::ip {

inline constexpr uint8_t kDefaultTtl = 64;
inline constexpr uint16_t kDontFragment = 0x4000;    // of IPv4's flags and fragment offset
inline constexpr uint32_t kMaxTransportHeader = 60;  // bytes: TCP with all options

enum class Protocol : uint8_t {
  kIcmp = 1,
  kIpv4 = 4,  // a whole packet (RFC 2003, RFC 2473)
  kTcp = 6,
  kUdp = 17,
  kIpv6 = 41,
  kFragment = 44,  // a part of a packet of IPv6, behind a fragment header
  kIcmp6 = 58
};

// One transport segment, borrowed for the call.
struct OutPacket {
  Address source;
  Address destination;
  Protocol protocol = Protocol::kTcp;
  uint8_t tos = 0;                         // DSCP and ECN
  std::span<const uint8_t> header;         // transport header with options, its checksum field
                                           // zero (or filled); kMaxTransportHeader bytes at most
  uint16_t checksum_offset = 0;            // of the 16-bit checksum within `header`
  std::span<const buf::Fragment> payload;  // pieces, in order
  uint32_t payload_size = 0;               // bytes, summed over the pieces
  uint16_t segment_size = 0;  // > 0: payload bytes a packet, for TSO or its software equivalent
  // The rest is for packets that Sluice forwards.
  uint8_t ttl = kDefaultTtl;  // IPv6: the hop limit
  // IPv4's flags and fragment offset (RFC 791, 3.1).
  uint16_t fragmentation = kDontFragment;
  uint16_t identification = 0;   // IPv4; an atomic datagram needs none (RFC 6864, 4.1)
  bool checksum_filled = false;  // the checksum in `header` is right, and stays
};

enum class Sent : uint8_t {
  kYes,         // handed to a port, or queued behind a neighbour that is being resolved
  kNoRoute,     // no route or no port: hard error
  kNoMemory,    // no buffer or no descriptor: as good as lost on the wire
  kUnreachable  // the neighbour does not answer
};

class Output {
 public:
  virtual Sent send(const OutPacket& packet, Time now) = 0;

  // Largest transport segment (header and payload, bytes) that reaches `destination` unfragmented
  // from the port that routes it; 0 without a route.
  virtual uint32_t max_segment(const Address& destination) const = 0;

  // The source address of packets to `destination`: the first of the port that routes it.
  virtual const Address* source_for(const Address& destination) const = 0;

  // The TSO of the route's port: > 0 when packets with segment_size may be sent, with up to that
  // many payload bytes.
  virtual uint32_t max_tso(const Address& destination) const = 0;

  // A transport waits in vain for an answer from `destination`: the next hop is to be confirmed now
  // (RFC 1122, 2.3.2.1; RFC 4861, 7.3.1).
  virtual void doubt(const Address& /*destination*/, Time /*now*/) {}

 protected:
  ~Output() = default;
};

// An Ethernet frame, borrowed for the call.
struct OutFrame {
  std::span<const uint8_t> headers;  // Ethernet, IP and transport header
  std::span<const buf::Fragment> payload;
  uint32_t payload_size = 0;
  uint8_t l2_size = 14;
  uint8_t l3_size = 0;  // 0: not IP, no checksum to fill
  bool v4 = true;
  uint16_t l4_checksum_offset = 0;  // within `headers`; 0: no transport checksum to fill
  uint16_t segment_size = 0;
};

// A port, as IP sees it. Fills IPv4 header and transport checksums, in hardware or software.
class Link {
 public:
  virtual bool transmit(const OutFrame& frame) = 0;  // false: no buffer or descriptor
  virtual const uint8_t* mac() const = 0;            // six bytes
  virtual uint16_t mtu() const = 0;                  // bytes of an IP packet
  virtual uint32_t max_tso() const = 0;              // payload bytes, 0: none

 protected:
  ~Link() = default;
};

}  // namespace sluice::ip
