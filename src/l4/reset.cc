#include "l4/reset.h"

#include <array>

#include "base/byte_order.h"
#include "l4/header.h"

namespace sluice::l4 {

bool send_reset(const Addresses& ends, uint32_t sequence, ip::Host& host, Time now) {
  std::array<uint8_t, kTcpHeader> header{};
  store_be16(header.data(), ends.source.port);
  store_be16(header.data() + 2, ends.destination.port);
  store_be32(header.data() + 4, sequence);
  header[12] = kTcpHeader / 4 << 4;
  header[kTcpFlags] = kRst;
  ip::OutPacket out;
  out.source = ends.source.address;
  out.destination = ends.destination.address;
  out.header = header;
  out.checksum_offset = kTcpChecksum;
  return host.send(out, now) == ip::Sent::kYes;
}

}  // namespace sluice::l4
