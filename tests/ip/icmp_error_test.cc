// ICMP and ICMPv6 errors, and the packets that they quote.

#include "ip/icmp_error.h"

#include "base/random.h"
#include "fixture.h"
#include "ip/icmp.h"

namespace sluice::ip {
namespace {

using Kind = IcmpError::Kind;

constexpr const char* kHere6 = "2001:db8::10";
constexpr const char* kThere6 = "2001:db8::1";

class IcmpErrors : public HostTest {
 protected:
  // An IPv4 or IPv6 packet that Sluice sent.
  static std::string sent(bool v4, uint8_t protocol = 6) {
    std::string transport = v4 ? tcp("198.18.0.10", "198.18.0.1") : tcp(kHere6, kThere6);
    store_be32(reinterpret_cast<uint8_t*>(transport.data()) + 4, 0x12345678);
    if (v4)
      return ipv4({}, {}, "198.18.0.10", "198.18.0.1", protocol, transport).substr(kEthernetSize);
    std::string h(kIpv6Size, 0);
    h[0] = 0x60;
    h[6] = static_cast<char>(protocol);
    std::memcpy(h.data() + 8, addr(kHere6).bytes.data(), 16);
    std::memcpy(h.data() + 24, addr(kThere6).bytes.data(), 16);
    return h + transport;
  }
  std::optional<IcmpError> parse(bool v4, uint8_t type, uint8_t code, uint32_t value,
                                 const std::string& quote) {
    std::string m(icmp::kHeaderSize, 0);
    auto* p = reinterpret_cast<uint8_t*>(m.data());
    p[0] = type;
    p[1] = code;
    store_be32(p + 4, value);
    return parse_icmp_error(addr(v4 ? "198.18.0.254" : "2001:db8::fe"),
                            addr(v4 ? "198.18.0.10" : kHere6), pool.filled(m + quote));
  }
  static std::optional<QuotedPacket> quoted(const std::string& quote, bool v4) {
    return parse_quoted(buf::bytes_of(quote), v4);
  }
};

TEST_F(IcmpErrors, name_their_kind_in_either_family) {
  const auto kind4 = [&](uint8_t type, uint8_t code) {
    const auto e = parse(true, type, code, 1400, sent(true));
    return e ? std::optional(e->kind) : std::nullopt;
  };
  EXPECT_EQ(kind4(3, 1), Kind::kUnreachable);
  EXPECT_EQ(kind4(3, 4), Kind::kPacketTooBig);
  EXPECT_EQ(kind4(11, 0), Kind::kTimeExceeded);
  EXPECT_EQ(kind4(12, 0), Kind::kParameterProblem);
  EXPECT_EQ(kind4(5, 0), std::nullopt);
  const auto kind6 = [&](uint8_t type) {
    const auto e = parse(false, type, 4, 1400, sent(false));
    return e ? std::optional(e->kind) : std::nullopt;
  };
  EXPECT_EQ(kind6(1), Kind::kUnreachable);
  EXPECT_EQ(kind6(2), Kind::kPacketTooBig);
  EXPECT_EQ(kind6(3), Kind::kTimeExceeded);
  EXPECT_EQ(kind6(4), Kind::kParameterProblem);
  EXPECT_EQ(kind6(5), std::nullopt);
}

TEST_F(IcmpErrors, ask_for_no_mtu_that_makes_no_sense) {
  const auto mtu = [&](bool v4, uint32_t told) {
    return v4 ? parse(true, 3, 4, told, sent(true))->mtu
              : parse(false, 2, 0, told, sent(false))->mtu;
  };
  EXPECT_EQ(mtu(true, 1400), 1400u);
  EXPECT_EQ(mtu(true, 0), 576u);
  EXPECT_EQ(mtu(true, 0xabcd0000), 576u);
  EXPECT_EQ(mtu(true, 5), 20u);
  EXPECT_EQ(mtu(false, 1400), 1400u);
  EXPECT_EQ(mtu(false, 600), 1280u);
  EXPECT_EQ(mtu(false, 100'000), 0xffffu);
}

TEST_F(IcmpErrors, quote_addresses_ports_and_the_sequence_number) {
  for (const bool v4 : {true, false}) {
    const auto q = quoted(sent(v4), v4);
    ASSERT_TRUE(q);
    EXPECT_EQ(q->source, addr(v4 ? "198.18.0.10" : kHere6));
    EXPECT_EQ(q->destination, addr(v4 ? "198.18.0.1" : kThere6));
    EXPECT_EQ(q->protocol, 6);
    EXPECT_EQ(q->ports, (Ports{40'000, 50'051}));
    EXPECT_EQ(q->tcp_seq, 0x12345678u);
  }
}

TEST_F(IcmpErrors, are_taken_for_as_much_as_they_quote) {
  for (const bool v4 : {true, false}) {
    const std::string all = sent(v4);
    const size_t header = v4 ? kIpv4Size : kIpv6Size;
    for (size_t n = 0; n <= all.size(); ++n) {
      const auto q = quoted(all.substr(0, n), v4);
      ASSERT_EQ(q.has_value(), n >= header) << n;
      if (!q) continue;
      EXPECT_EQ(q->ports.has_value(), n >= header + 4) << n;
      EXPECT_EQ(q->tcp_seq.has_value(), n >= header + 8) << n;
    }
  }
}

TEST_F(IcmpErrors, quote_the_ports_of_udp_and_none_of_others) {
  const auto udp = quoted(sent(true, 17), true);
  ASSERT_TRUE(udp);
  EXPECT_EQ(udp->ports, (Ports{40'000, 50'051}));
  EXPECT_FALSE(udp->tcp_seq);
  EXPECT_FALSE(quoted(sent(true, 47), true)->ports);
}

TEST_F(IcmpErrors, quote_no_ports_of_a_later_fragment) {
  std::string fragment = sent(true);
  fragment[7] = 1;
  const auto q = quoted(fragment, true);
  ASSERT_TRUE(q);
  EXPECT_FALSE(q->ports);
  EXPECT_FALSE(q->tcp_seq);
}

TEST_F(IcmpErrors, of_one_family_quote_no_packet_of_the_other) {
  EXPECT_FALSE(quoted(sent(true), false));
  EXPECT_FALSE(quoted(sent(false), true));
  std::string disguised = sent(false);
  std::memcpy(disguised.data() + 8, addr("198.18.0.10").bytes.data(), 16);
  EXPECT_FALSE(quoted(disguised, false));
}

TEST_F(IcmpErrors, that_are_damaged_do_no_harm) {
  Random random(5);
  for (int i = 0; i < 20'000; ++i) {
    const bool v4 = random.chance(0.5);
    std::string quote = sent(v4);
    quote[random.below(quote.size())] = static_cast<char>(random.next());
    quote[random.below(8)] = static_cast<char>(random.next());
    quote.resize(random.below(quote.size() + 1));
    (void)quoted(quote, v4);
  }
}

}  // namespace
}  // namespace sluice::ip
