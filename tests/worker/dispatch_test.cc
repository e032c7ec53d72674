// Who gets what IP delivers, and what is counted at the port.

#include "worker/dispatch.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "buf/pool.h"
#include "ip/checksum.h"
#include "tcp/header.h"

namespace sluice::worker {
namespace {

using ip::L4Checksum;
using stats::Drop;

class NoLink final : public ip::Link {
 public:
  bool transmit(const ip::OutFrame&) override { return true; }
  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return 1500; }
  uint32_t max_tso() const override { return 0; }

 private:
  std::array<uint8_t, 6> mac_{2, 0, 0, 0, 0, 1};
};

class Dispatching : public testing::Test {
 protected:
  static constexpr Endpoint kClient{Address::v4(0xc6120001), 40'000};
  static constexpr Endpoint kHere{Address::v4(0xc6120002), 50'051};

  ip::TransportPacket packet(uint8_t protocol, L4Checksum said, bool damaged = false) {
    tcp::Header h;
    h.source_port = kClient.port;
    h.destination_port = kHere.port;
    h.flags = tcp::kSyn;
    std::array<uint8_t, tcp::kMaxHeader> bytes;
    const size_t n = tcp::emit(h, bytes);
    store_be16(bytes.data() + tcp::kChecksumOffset,
               ip::checksum_l4(kClient.address, kHere.address, protocol, {bytes.data(), n}));
    if (damaged) bytes[5] ^= 1;
    ip::TransportPacket p;
    p.source = kClient.address;
    p.destination = kHere.address;
    p.protocol = protocol;
    p.ports = ip::Ports{kClient.port, kHere.port};
    p.checksum = said;
    buf::Slice payload = buf::Pool(rx.get()).alloc();
    payload.grow_back(static_cast<uint32_t>(n));
    std::copy_n(bytes.begin(), n, payload.mutable_data());
    p.payload = std::move(payload);
    return p;
  }
  void hear(ip::Input in) {
    dispatch.deliver(std::move(in), port, now);
    dispatch.flush(port, now);
  }
  void expect(uint64_t segments, uint64_t drops, Drop reason = Drop::kTcpChecksum) {
    EXPECT_EQ(port.tcp_segments.get(), segments);
    EXPECT_EQ(counters.segments_in.get(), segments);
    EXPECT_EQ(port.drop_counter(reason).get(), drops);
  }

  struct Free {
    void operator()(rte_mempool* p) const { buf::free_pool(p); }
  };
  std::unique_ptr<rte_mempool, Free> rx{buf::make_pool("dispatch_rx", 255, 2176, -1)};
  std::unique_ptr<rte_mempool, Free> hold{buf::make_pool("dispatch_hold", 255, 2176, -1)};
  Time now{1s};
  TimerWheel wheel{now};
  buf::Memory memory{buf::Pool(rx.get()), buf::Pool(hold.get()), 16, 4};
  NoLink link;
  std::vector<ip::Link*> links{&link};
  std::vector<ip::PortAddresses> addresses{{{*Prefix::parse("198.18.0.2/24")}, {}}};
  ip::Host host{links, addresses, memory, wheel};
  stats::Tcp counters;
  tcp::Stack stack{tcp::Config{}, host, wheel, memory, counters, SipKey{1, 2}};
  stats::Port port;
  Dispatch dispatch{host, stack};
};

TEST_F(Dispatching, gives_tcp_its_segments_when_their_checksums_are_right) {
  hear(packet(6, L4Checksum::kUnknown));
  expect(1, 0);
  hear(packet(6, L4Checksum::kUnknown, true));
  expect(1, 1);
}

TEST_F(Dispatching, sums_again_what_the_nic_calls_wrong_and_counts_it) {
  hear(packet(6, L4Checksum::kBad));
  expect(1, 0);
  hear(packet(6, L4Checksum::kBad, true));
  expect(1, 1);
  EXPECT_EQ(port.rx_checksum_bad.get(), 2u);
  EXPECT_EQ(port.rx_summed.get(), 2u);
}

TEST_F(Dispatching, believes_a_nic_that_verified_the_data) {
  hear(packet(6, L4Checksum::kGood, true));
  hear(packet(6, L4Checksum::kNone, true));
  expect(2, 0);
  EXPECT_EQ(port.rx_checksum_bad.get(), 0u);
  EXPECT_EQ(port.rx_summed.get(), 0u);
}

TEST_F(Dispatching, drops_protocols_that_nobody_here_speaks) {
  hear(packet(17, L4Checksum::kUnknown));
  hear(packet(47, L4Checksum::kBad));
  expect(0, 2, Drop::kUnknownProtocol);
}

TEST_F(Dispatching, counts_what_ip_dropped_at_the_port) {
  hear(Drop::kFragment);
  expect(0, 1, Drop::kFragment);
}

TEST_F(Dispatching, tells_tcp_of_errors_about_segments_that_can_be_its_own) {
  ip::IcmpError e;
  e.kind = ip::IcmpError::Kind::kUnreachable;
  e.quoted = {kHere.address, kClient.address, 6, ip::Ports{kHere.port, kClient.port}, 1u};
  const auto with = [&](auto change) {
    ip::IcmpError other;
    other.kind = e.kind;
    other.quoted = e.quoted;
    change(other);
    hear(std::move(other));
  };
  with([](ip::IcmpError&) {});
  EXPECT_EQ(counters.icmp_ignored.get(), 1u);  // TCP looked, and knows no such connection
  with([](ip::IcmpError& o) { o.quoted.protocol = 17; });
  with([](ip::IcmpError& o) { o.quoted.tcp_seq.reset(); });
  with([](ip::IcmpError& o) { o.kind = ip::IcmpError::Kind::kTimeExceeded; });
  EXPECT_EQ(counters.icmp_ignored.get(), 1u);
  EXPECT_EQ(port.drop_counter(Drop::kIcmpUnmatched).get(), 3u);
}

}  // namespace
}  // namespace sluice::worker
