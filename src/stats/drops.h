#pragma once
// The reasons for dropping a packet. One line is one reason: the enumerator, its name for people
// and programs, and its meaning (docs/operations.md explains each).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::stats {

// clang-format off
#define SLUICE_DROPS(X)                                                                          \
  X(EthernetShort,    ethernet_short,    "shorter than an Ethernet header")                      \
  X(NotOurMac,        not_our_mac,       "unicast to another station")                           \
  X(UnknownVlan,      unknown_vlan,      "a VLAN id of no port")                                 \
  X(UnknownEtherType, unknown_ethertype, "neither ARP nor IP")                                   \
  X(ArpMalformed,     arp_malformed,     "not a whole ARP packet of IPv4 over Ethernet")         \
  X(IpShort,          ip_short,          "shorter than an IP header")                            \
  X(IpVersion,        ip_version,        "version field contradicts the EtherType")              \
  X(IpHeaderLength,   ip_header_length,  "header length below 20 bytes or beyond the packet")    \
  X(IpTotalLength,    ip_total_length,   "total length below the header's or beyond the frame")  \
  X(IpChecksum,       ip_checksum,       "wrong IPv4 header checksum")                           \
  X(IpMulticast,      ip_multicast,      "IP in a broadcast or multicast frame")                 \
  X(Ipv6,             ipv6,              "IPv6 on a port without an IPv6 address")               \
  X(Ipv6Option,       ipv6_option,       "IPv6 with an option or header that must be understood") \
  X(NdpMalformed,     ndp_malformed,     "neighbour discovery against RFC 4861's rules")         \
  X(NotOurAddress,    not_our_address,   "addressed to nobody here")                             \
  X(WrongPort,        wrong_port,        "addressed to what another port answers for")           \
  X(BadSource,        bad_source,        "from an address that nobody may send from")            \
  X(Fragment,         fragment,          "an IP fragment")                                       \
  X(UnknownProtocol,  unknown_protocol,  "neither TCP nor ICMP")                                 \
  X(IcmpShort,        icmp_short,        "shorter than an ICMP header")                          \
  X(IcmpChecksum,     icmp_checksum,     "wrong ICMP checksum")                                  \
  X(IcmpUnknown,      icmp_unknown,      "an ICMP type that means nothing to Sluice")            \
  X(IcmpRateLimit,    icmp_rate_limit,   "more echo requests than are answered in a second")     \
  X(IcmpUnmatched,    icmp_unmatched,    "an ICMP error about no connection of ours")            \
  X(TcpChecksum,      tcp_checksum,      "wrong TCP checksum")                                   \
  X(RxMissed,         rx_missed,         "the NIC had no descriptor left (a slow worker)")       \
  X(RxErrors,         rx_errors,         "the NIC reported a damaged frame")                     \
  X(RxOverflow,       rx_overflow,       "too many frames waited for another port of the device") \
  X(RxNoBuffer,       rx_no_buffer,      "the receive pool was empty")                           \
  X(NoNeighbour,      no_neighbour,      "to send: the next hop does not answer")            \
  X(TxNoMemory,       tx_no_memory,      "to send: no transmit buffer was free")                 \
  X(TxFull,           tx_full,           "to send: the NIC's transmit ring was full")            \
  X(TxTooLong,        tx_too_long,       "to send: larger than the port's MTU")
// clang-format on

enum class Drop : uint8_t {
#define X(id, name, text) k##id,
  SLUICE_DROPS(X)
#undef X
      kCount
};

inline constexpr size_t kDrops = static_cast<size_t>(Drop::kCount);

struct DropInfo {
  std::string_view name;
  std::string_view text;
};

inline constexpr std::array<DropInfo, kDrops> kDropInfo{{
#define X(id, name, text) {#name, text},
    SLUICE_DROPS(X)
#undef X
}};

constexpr std::string_view name_of(Drop d) {
  return kDropInfo[static_cast<size_t>(d)].name;
}

}  // namespace sluice::stats
