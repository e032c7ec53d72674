#pragma once
// The ICMPv6 messages of neighbour discovery (RFC 4861), which find the owner of an IPv6 address on
// a link. neighbours.h has the states of a neighbour.

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "buf/slice.h"
#include "ip/ethernet.h"

namespace sluice::ip {

inline constexpr uint8_t kNdpSolicitation = 135;
inline constexpr uint8_t kNdpAdvertisement = 136;
inline constexpr uint8_t kNdpHopLimit =
    255;                                  // proves that no router was on the way (RFC 4861, 7.1)
inline constexpr uint32_t kNdpSize = 32;  // as Sluice sends them: with one link-layer address

struct Ndp {
  uint8_t type = kNdpSolicitation;
  Address target;
  std::optional<Mac> link_address;  // the sender's in a solicitation, the target's in an answer
  bool solicited = false;           // advertisements only
  bool overrides = false;

  // An ICMPv6 message of one of the two types, its checksum and the packet's hop limit verified;
  // nullopt when RFC 4861, 7.1 says to drop it.
  static std::optional<Ndp> parse(buf::View message);
  void emit(uint8_t* p) const;  // kNdpSize bytes, its checksum zero
};

// ff02::1:ffXX:XXXX, the group in which the owner of the address listens (RFC 4291, 2.7.1).
Address solicited_node(const Address& address);
// ff02::1
Address all_nodes();
// 33:33 and the last four bytes of an IPv6 multicast address (RFC 2464, 7).
Mac multicast_mac(const Address& group);
// fe80:: and the interface identifier that follows from a MAC (RFC 4291, appendix A).
Address link_local(const uint8_t* mac);

inline bool is_multicast(const Address& a) {
  return a.bytes[0] == 0xff;
}
inline bool is_link_local(const Address& a) {
  return a.bytes[0] == 0xfe && (a.bytes[1] & 0xc0) == 0x80;
}

}  // namespace sluice::ip
