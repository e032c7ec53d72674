#pragma once
// The datagrams whose fragments pass now: their ports, which only the first fragment has. Fragments
// that come before their first one are dropped, since nothing says whose they are.

#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/chrono.h"
#include "base/hash.h"
#include "ip/transport_packet.h"

namespace sluice::l4 {

inline bool is_fragment(const ip::TransportPacket& p) {
  return (p.fragmentation & 0x3fff) != 0;
}
inline bool is_later_fragment(const ip::TransportPacket& p) {
  return (p.fragmentation & 0x1fff) != 0;
}

class Fragments {
 public:
  // A flood of first fragments pushes others out, no more.
  static constexpr size_t kDatagrams = 4'096;
  static constexpr Duration kLifetime = 5s;

  struct Datagram {
    ip::Ports ports;
    uint32_t identification = 0;  // of the packets that leave
  };

  explicit Fragments(const SipKey& secret) : secret_(secret) {}

  // There is no memory before the first call.
  void remember(const ip::TransportPacket& first, const Datagram& datagram, Time now);
  // nullptr: the first fragment has not come, or was forgotten.
  const Datagram* find(const ip::TransportPacket& later, Time now) const;

 private:
  static constexpr size_t kWays = 4;
  struct Entry {
    Address source, destination;
    uint32_t identification = 0;
    uint8_t protocol = 0;
    Datagram datagram;
    Time until{};
    bool is_of(const ip::TransportPacket& p) const {
      return identification == p.identification && protocol == p.protocol && source == p.source &&
             destination == p.destination;
    }
  };
  size_t set_of(const ip::TransportPacket& p) const;

  SipKey secret_;
  std::vector<Entry> entries_;
};

}  // namespace sluice::l4
