#pragma once
// ICMP errors about packets of flows: those that others send are translated to the other end of the
// flow (RFC 5508, 4), and those that Sluice sends itself.

#include <cstdint>
#include <optional>

#include "buf/slice.h"
#include "ip/host.h"
#include "ip/icmp_error.h"
#include "l4/way.h"

namespace sluice::l4 {

struct ErrorType {
  uint8_t type = 0;
  uint8_t code = 0;
  uint32_t rest = 0;  // the second word of the header: an MTU, or else unused

  bool operator==(const ErrorType&) const = default;
};

// The same error in the other version of IP (RFC 7915, 4.2 and 5.2); nullopt: there is none.
std::optional<ErrorType> to_ipv6(const ErrorType& error);
std::optional<ErrorType> to_ipv4(const ErrorType& error);

ErrorType packet_too_big(bool v4, uint32_t mtu);  // mtu: bytes of an IP packet
ErrorType time_exceeded(bool v4);

// The packet that an error quotes.
struct Quote {
  Addresses ends;
  uint8_t protocol = 0;
  uint8_t tos = 0;
  uint8_t ttl = 0;
  uint16_t fragmentation = ip::kDontFragment;  // as TransportPacket has it
  uint32_t identification = 0;
  uint32_t size = 0;    // bytes of the transport header and the payload
  buf::View transport;  // the first of these bytes, the ports at least
};

// Of a message that parse_icmp_error() accepted, with ports.
Quote quote_of(const ip::IcmpError& error);

// Sends an error about `quote` to the quote's source, whose version of IP `type` has. The quote is
// cut to kQuoted bytes of its transport.
inline constexpr size_t kQuoted = 64;  // TCP with all options
bool send_error(const ErrorType& type, const Address& from, const Quote& quote, ip::Host& host,
                Time now);

// The same for an error about the packet `quote` as it left, to be told to the flow's other end:
// `ends` are those of the packet as that end knows it. least_mtu: an MTU below it is told as it,
// unless it is 0. False: the error has no meaning there.
bool translate_error(const ip::IcmpError& error, const Addresses& ends, uint32_t least_mtu,
                     ip::Host& host, Time now);

// The error as it is, to a pod that has the address to which it came. False: it could not be sent.
bool pass_on_error(const ip::IcmpError& error, config::Forward mode, const Address& pod,
                   ip::Host& host, Time now);

}  // namespace sluice::l4
