#pragma once
// A host with two ports whose frames a test sees and makes: north 198.18.0.2/24, south
// 198.18.1.1/24 with a route to 10.0.0.0/8 via 198.18.1.254, and the VIP 198.18.0.10.

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "buf/fixture.h"
#include "ip/checksum.h"
#include "ip/host.h"

namespace sluice::ip {

inline Address addr(const char* text) {
  return *Address::parse(text);
}

inline Address v6(const uint8_t* bytes) {
  Address a;
  std::memcpy(a.bytes.data(), bytes, a.bytes.size());
  return a;
}

// Frames that a port was given to send, complete: the link fills checksums as ports do.
class TestLink final : public Link {
 public:
  explicit TestLink(uint8_t number) : mac_{2, 0, 0, 0, 0, number} {}

  bool transmit(const OutFrame& f) override {
    std::string bytes(reinterpret_cast<const char*>(f.headers.data()), f.headers.size());
    for (const buf::View& v : f.payload) bytes.append(buf::text_of(v));
    auto* p = reinterpret_cast<uint8_t*>(bytes.data());
    if (f.l3_size != 0 && f.v4) store_be16(p + 24, checksum({p + 14, f.l3_size}));
    if (f.l4_checksum_offset != 0) {
      const buf::View segment{p + 14 + f.l3_size, bytes.size() - 14 - f.l3_size};
      const Address from = f.v4 ? Address::v4(p + 26) : v6(p + 22);
      const Address to = f.v4 ? Address::v4(p + 30) : v6(p + 38);
      store_be16(p + f.l4_checksum_offset, checksum_l4(from, to, p[f.v4 ? 23 : 20], segment));
    }
    sent.push_back(bytes);
    segment_sizes.push_back(f.segment_size);
    return true;
  }
  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return 1500; }
  uint32_t max_tso() const override { return tso; }

  Mac own() const { return mac_; }
  std::vector<std::string> take() {
    segment_sizes.clear();
    return std::exchange(sent, {});
  }

  std::vector<std::string> sent;
  std::vector<uint16_t> segment_sizes;  // of OutFrame, of each that was sent
  uint32_t tso = 0;

 private:
  Mac mac_;
};

inline const uint8_t* raw(const std::string& s, size_t at = 0) {
  return reinterpret_cast<const uint8_t*>(s.data()) + at;
}

// Why a frame was dropped; "kept" when it was not.
inline std::string_view dropped(const Input& in) {
  const auto* reason = std::get_if<stats::Drop>(&in);
  return reason == nullptr ? "kept" : stats::name_of(*reason);
}
inline bool handed_up(const Input& in) {
  return std::holds_alternative<TransportPacket>(in);
}
inline bool handled(const Input& in) {
  return std::holds_alternative<Handled>(in);
}

class HostTest : public testing::Test {
 protected:
  static constexpr Mac kClient{2, 0, 0, 0, 1, 1};
  static constexpr Mac kPod{2, 0, 0, 0, 1, 2};

  HostTest() {
    host.set_vips({addr("198.18.0.10")});
    north.take();
    south.take();
  }

  static std::string ethernet(const Mac& to, const Mac& from, uint16_t type) {
    std::string f(kEthernetSize, 0);
    emit_ethernet(reinterpret_cast<uint8_t*>(f.data()), to, from.data(), type);
    return f;
  }
  static std::string arp(Arp::Operation op, const Mac& from, const char* sender, const char* target,
                         const Mac& to = kBroadcast, const Mac& target_mac = {}) {
    std::string f = ethernet(to, from, kEtherArp);
    f.resize(kEthernetSize + kArpSize);
    Arp{op, from, addr(sender), target_mac, addr(target)}.emit(
        reinterpret_cast<uint8_t*>(f.data()) + kEthernetSize);
    return f;
  }
  static std::string ipv4(const Mac& to, const Mac& from, const char* source, const char* target,
                          uint8_t protocol, std::string payload) {
    std::string f = ethernet(to, from, kEtherIpv4);
    std::string h(kIpv4Size, 0);
    auto* p = reinterpret_cast<uint8_t*>(h.data());
    p[0] = 0x45;
    store_be16(p + 2, static_cast<uint16_t>(h.size() + payload.size()));
    p[8] = 64;
    p[9] = protocol;
    std::memcpy(p + 12, addr(source).v4_bytes(), 4);
    std::memcpy(p + 16, addr(target).v4_bytes(), 4);
    store_be16(p + 10, checksum(buf::bytes_of(h)));
    return f + h + payload;
  }
  static std::string tcp(const char* source, const char* target, std::string data = "") {
    std::string s(20, 0);
    auto* p = reinterpret_cast<uint8_t*>(s.data());
    store_be16(p, 40'000);
    store_be16(p + 2, 50'051);
    p[12] = 0x50;
    p[13] = 2;
    s += data;
    p = reinterpret_cast<uint8_t*>(s.data());
    store_be16(p + 16, checksum_l4(addr(source), addr(target), 6, buf::bytes_of(s)));
    return s;
  }
  static std::string echo(std::string data) {
    std::string m = std::string("\x08\0\0\0\x12\x34\0\x01", 8) + data;
    store_be16(reinterpret_cast<uint8_t*>(m.data()) + 2, checksum(buf::bytes_of(m)));
    return m;
  }

  Input hear(unsigned port, const std::string& frame) {
    return host.input(port, {.bytes = pool.filled(frame)}, now);
  }
  void expect_drop(unsigned port, const std::string& frame, stats::Drop reason) {
    EXPECT_EQ(dropped(hear(port, frame)), stats::name_of(reason));
  }
  // A TCP segment of Sluice's own, in two pieces of odd length.
  Sent send(const char* to) {
    header = std::string(20, 'h');
    store_be16(reinterpret_cast<uint8_t*>(header.data()) + 16, 0);
    const std::array<buf::Fragment, 2> pieces{buf::bytes_of(first), buf::bytes_of(second)};
    OutPacket p;
    p.source = addr("198.18.1.1");
    p.destination = addr(to);
    p.header = buf::bytes_of(header);
    p.checksum_offset = 16;
    p.payload = pieces;
    p.payload_size = static_cast<uint32_t>(first.size() + second.size());
    return host.send(p, now);
  }
  void advance(Duration d) { wheel.advance(now += d); }

  std::string header, first = "odd", second = "pieces";
  Time now{1s};
  buf::TestPool pool{"ip", 63};
  buf::TestPool hold{"ip_hold", 2047};
  buf::Memory memory{pool, hold, 4, 4};
  TimerWheel wheel{now};
  TestLink north{1}, south{2};
  std::array<Link*, 2> links{&north, &south};
  std::array<PortAddresses, 2> ports{
      PortAddresses{{*Prefix::parse("198.18.0.2/24")}, {}},
      PortAddresses{{*Prefix::parse("198.18.1.1/24")},
                    {Route{*Prefix::parse("10.0.0.0/8"), addr("198.18.1.254"), 0}}}};
  stats::Changes changes;
  Host host{links, ports, memory, wheel, &changes};
};

}  // namespace sluice::ip
