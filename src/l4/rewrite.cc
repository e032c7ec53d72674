#include "l4/rewrite.h"

#include "base/byte_order.h"
#include "ip/checksum.h"

namespace sluice::l4 {

namespace {

uint64_t sum(const Addresses& a) {
  const auto bytes = [](const Address& address) {
    const size_t n = address.is_v4() ? 4 : 16;
    return buf::View(address.bytes.data() + 16 - n, n);
  };
  const uint64_t ports = uint64_t{a.source.port} + a.destination.port;
  return ip::sum_words(bytes(a.destination.address), ip::sum_words(bytes(a.source.address), ports));
}

void write_ports(uint8_t* header, const Addresses& to) {
  store_be16(header, to.source.port);
  store_be16(header + 2, to.destination.port);
}

}  // namespace

void rewrite(uint8_t* header, uint8_t protocol, const Addresses& from, const Addresses& to) {
  write_ports(header, to);
  uint8_t* field = header + checksum_offset(protocol);
  const uint16_t before = load_be16(field);
  const bool udp = protocol == static_cast<uint8_t>(ip::Protocol::kUdp);
  if (udp && before == 0) return;  // RFC 768: the sender left it out
  // RFC 1624, eqn. 3: ~(~HC + ~m + m'). The inverse of the folded sum of all m stands for their ~m.
  uint16_t after =
      ip::fold(uint64_t{static_cast<uint16_t>(~before)} + ip::fold(sum(from)) + sum(to));
  if (udp && after == 0) after = 0xffff;
  store_be16(field, after);
}

void rewrite_unsummed(uint8_t* header, uint8_t protocol, const Addresses& to) {
  write_ports(header, to);
  store_be16(header + checksum_offset(protocol), 0);
}

}  // namespace sluice::l4
