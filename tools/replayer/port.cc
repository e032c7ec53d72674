#include "replayer/port.h"

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"
#include "ip/arp.h"
#include "ip/checksum.h"
#include "ip/ipv6.h"
#include "ip/ndp.h"

namespace replayer {

using namespace sluice;

namespace {

constexpr size_t kIpv4Source = 26, kIpv4Destination = 30, kIpv4Protocol = 23;
constexpr size_t kIpv6Source = 22, kIpv6Destination = 38, kIpv6Next = 20;

Address ipv6_at(const uint8_t* p) {
  Address a;
  std::memcpy(a.bytes.data(), p, a.bytes.size());
  return a;
}

}  // namespace

ip::Mac Port::mac_of(const Address& neighbour) {
  ip::Mac mac{6, 0};
  std::copy(neighbour.bytes.end() - 4, neighbour.bytes.end(), mac.begin() + 2);
  return mac;
}

bool Port::put(Bytes frame) {
  std::memcpy(frame.data(), mac_.data(), mac_.size());
  buf::Slice s = pool_.alloc();
  if (!s || s.tailroom() < frame.size()) return false;
  s.grow_back(static_cast<uint32_t>(frame.size()));
  std::copy(frame.begin(), frame.end(), s.mutable_data());
  arriving_.push_back(std::move(s));
  return true;
}

uint16_t Port::receive(ip::InFrame* out, uint16_t n) {
  uint16_t got = 0;
  for (; got < n && !arriving_.empty(); ++got) {
    stats_.rx_bytes += arriving_.front().size();
    out[got].bytes = std::move(arriving_.front());
    arriving_.pop_front();
  }
  stats_.rx_packets += got;
  return got;
}

bool Port::transmit(const ip::OutFrame& f) {
  Bytes bytes(f.headers.begin(), f.headers.end());
  for (const buf::View& v : f.payload) bytes.insert(bytes.end(), v.begin(), v.end());
  uint8_t* p = bytes.data();
  if (f.l3_size != 0 && f.v4)
    store_be16(p + f.l2_size + 10, ip::checksum({p + f.l2_size, f.l3_size}));
  if (f.l4_checksum_offset != 0) {
    const size_t at = f.l2_size + f.l3_size;
    const Address from = f.v4 ? Address::v4(p + kIpv4Source) : ipv6_at(p + kIpv6Source);
    const Address to = f.v4 ? Address::v4(p + kIpv4Destination) : ipv6_at(p + kIpv6Destination);
    const uint8_t protocol = p[f.v4 ? kIpv4Protocol : kIpv6Next];
    uint16_t sum = ip::checksum_l4(from, to, protocol, {p + at, bytes.size() - at});
    if (sum == 0 && protocol == static_cast<uint8_t>(ip::Protocol::kUdp)) sum = 0xffff;
    store_be16(p + f.l4_checksum_offset, sum);
  }
  ++stats_.tx_packets;
  stats_.tx_bytes += bytes.size();
  if (!answer_arp(bytes) && !answer_ndp(bytes)) on_sent_(bytes);
  return true;
}

// True: it is ARP. Announcements ask for the sender's own address, and need no answer.
bool Port::answer_arp(const Bytes& frame) {
  if (load_be16(frame.data() + 12) != ip::kEtherArp) return false;
  const auto question =
      ip::Arp::parse({frame.data() + ip::kEthernetSize, frame.size() - ip::kEthernetSize});
  if (!question || question->operation != ip::Arp::Operation::kRequest ||
      question->target == question->sender)
    return true;
  const ip::Mac mac = mac_of(question->target);
  Bytes answer(ip::kEthernetSize + ip::kArpSize);
  ip::emit_ethernet(answer.data(), mac_, mac.data(), ip::kEtherArp);
  ip::Arp{ip::Arp::Operation::kReply, mac, question->target, mac_, question->sender}.emit(
      answer.data() + ip::kEthernetSize);
  put(std::move(answer));
  return true;
}

// True: it is neighbour discovery (RFC 4861).
bool Port::answer_ndp(const Bytes& frame) {
  constexpr uint8_t kSolicitation = 135, kAdvertisement = 136;
  constexpr size_t kMessage = ip::kEthernetSize + ip::kIpv6Size, kTarget = 8, kSize = 32;
  if (load_be16(frame.data() + 12) != ip::kEtherIpv6 || frame.size() < kMessage + 24 ||
      frame[kIpv6Next] != static_cast<uint8_t>(ip::Protocol::kIcmp6))
    return false;
  const uint8_t type = frame[kMessage];
  if (type == kAdvertisement) return true;
  if (type != kSolicitation) return false;
  const Address asked = ipv6_at(frame.data() + kMessage + kTarget);
  const Address from = ipv6_at(frame.data() + kIpv6Source);
  const ip::Mac mac = mac_of(asked);
  Bytes message(kSize);
  message[0] = kAdvertisement;
  message[4] = 0x60;  // solicited, overrides
  std::copy(asked.bytes.begin(), asked.bytes.end(), message.begin() + kTarget);
  message[24] = 2;  // the option of the target's link-layer address
  message[25] = 1;
  std::copy(mac.begin(), mac.end(), message.begin() + 26);
  store_be16(message.data() + 2,
             ip::checksum_l4(asked, from, static_cast<uint8_t>(ip::Protocol::kIcmp6), message));
  ip::OutPacket packet;
  packet.source = asked;
  packet.destination = from;
  packet.protocol = ip::Protocol::kIcmp6;
  packet.ttl = 255;
  packet.payload_size = kSize;
  Bytes answer(kMessage);
  ip::emit_ethernet(answer.data(), mac_, mac.data(), ip::kEtherIpv6);
  ip::emit_ipv6(answer.data() + ip::kEthernetSize, packet);
  answer.insert(answer.end(), message.begin(), message.end());
  put(std::move(answer));
  return true;
}

}  // namespace replayer
