#pragma once
// ICMP errors that come to the forwarder and leave it.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fixture.h"
#include "l4/icmp_error.h"

namespace sluice::l4 {

struct Error {
  Address source, destination;
  ErrorType type;
  Packet quoted;
};

class ErrorTest : public ForwarderTest {
 protected:
  using ForwarderTest::ForwarderTest;

  // An error of `router` about a packet that left `port`; whether the forwarder took it.
  bool error(unsigned port, const Address& router, const ErrorType& type, const Packet& about) {
    return error(port, router, type, about.source.address,
                 frame_of(about, {}, {}).substr(ip::kEthernetSize));
  }
  bool error(unsigned port, const Address& router, const ErrorType& type, const Address& to,
             const std::string& quote) {
    auto e = received_error(port, router, type, to, quote);
    return e && forwarder.input(*e, false, now);
  }
  std::optional<ip::IcmpError> received_error(unsigned port, const Address& router,
                                              const ErrorType& type, const Address& to,
                                              const std::string& quote) {
    const bool v4 = router.is_v4();
    std::string message(8, 0);
    auto* m = reinterpret_cast<uint8_t*>(message.data());
    m[0] = type.type;
    m[1] = type.code;
    store_be32(m + 4, type.rest);
    message += quote;
    m = reinterpret_cast<uint8_t*>(message.data());
    store_be16(m + 2, v4 ? ip::checksum(buf::bytes_of(message))
                         : ip::checksum_l4(router, to, 58, buf::bytes_of(message)));
    ip::OutPacket out;
    out.source = router;
    out.destination = to;
    out.protocol = v4 ? ip::Protocol::kIcmp : ip::Protocol::kIcmp6;
    out.header = buf::bytes_of(message);
    std::string f(ip::kEthernetSize + (v4 ? ip::kIpv4Size : ip::kIpv6Size), 0);
    auto* b = reinterpret_cast<uint8_t*>(f.data());
    ip::emit_ethernet(b, port == kNorth ? north.own() : south.own(), kClient.data(),
                      v4 ? ip::kEtherIpv4 : ip::kEtherIpv6);
    if (v4) {
      ip::emit_ipv4(b + 14, out, static_cast<uint16_t>(ip::kIpv4Size + message.size()));
      store_be16(b + 24, ip::checksum({b + 14, ip::kIpv4Size}));
    } else {
      ip::emit_ipv6(b + 14, out);
    }
    auto in = dual.input(port, {.bytes = pool.filled(f + message)}, now);
    auto* e = std::get_if<ip::IcmpError>(&in);
    if (e == nullptr) return std::nullopt;
    return std::move(*e);
  }
  // The errors that left, their checksums verified.
  static std::vector<Error> errors(ip::TestLink& link) {
    std::vector<Error> all;
    for (const std::string& f : link.take()) {
      const uint16_t ether = load_be16(ip::raw(f, 12));
      if (ether != ip::kEtherIpv4 && ether != ip::kEtherIpv6) continue;
      const bool v4 = ether == ip::kEtherIpv4;
      const size_t at = 14 + (v4 ? ip::kIpv4Size : ip::kIpv6Size);
      const uint8_t protocol = *ip::raw(f, v4 ? 23 : 20);
      const uint8_t* m = ip::raw(f, at);
      if (protocol != (v4 ? 1 : 58) || (!v4 && m[0] > 4)) continue;
      Error e;
      e.source = v4 ? Address::v4(ip::raw(f, 26)) : ip::v6(ip::raw(f, 22));
      e.destination = v4 ? Address::v4(ip::raw(f, 30)) : ip::v6(ip::raw(f, 38));
      const buf::View message(m, f.size() - at);
      EXPECT_EQ(v4 ? ip::checksum(message) : ip::checksum_l4(e.source, e.destination, 58, message),
                0);
      e.type = {m[0], m[1], load_be32(m + 4)};
      // A long packet is quoted in part.
      const size_t whole = v4 ? load_be16(m + 10) : ip::kIpv6Size + load_be16(m + 12);
      if (message.size() == 8 + whole) e.quoted = parse(f.substr(0, 14) + f.substr(at + 8));
      all.push_back(e);
    }
    return all;
  }
  Address pod_router() const {
    return ip::addr(families_.pod_v4 ? "198.18.1.254" : "2001:db8:1::fe");
  }
  Address client_router() const {
    return ip::addr(families_.client_v4 ? "198.18.0.254" : "2001:db8::fe");
  }
};

}  // namespace sluice::l4
