// The addresses of listeners: whether the network hears of them.

#include <algorithm>
#include <array>

#include "fixture.h"

namespace sluice::relay {
namespace {

struct TestLink final : ip::Link {
  bool transmit(const ip::OutFrame& frame) override {
    sent.emplace_back(frame.headers.begin(), frame.headers.end());
    return true;
  }
  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return 1500; }
  uint32_t max_tso() const override { return 0; }
  std::vector<std::vector<uint8_t>> sent;

 private:
  std::array<uint8_t, 6> mac_{2, 0, 0, 0, 0, 1};
};

struct Vips : RelayTest {
  Vips() {
    relay = std::make_unique<Relay>(Relay::Setup{.tcp = lb.stack,
                                                 .plain = lower.plain,
                                                 .http1 = lower.http1,
                                                 .http2 = lower.http2,
                                                 .host = vips,
                                                 .wheel = lb.wheel,
                                                 .memory = buffers.memory,
                                                 .workers = workers,
                                                 .self = 0,
                                                 .seed = 5,
                                                 .now = now});
  }
  ~Vips() override { end(); }

  // Whether an ARP request for the VIP gets an answer.
  bool answers() {
    std::array<uint8_t, 60> f{};
    std::fill_n(f.begin(), 6, 0xff);
    const std::array<uint8_t, 6> mac{2, 0, 0, 0, 0, 9};
    std::copy(mac.begin(), mac.end(), f.begin() + 6);
    const std::array<uint8_t, 10> arp{8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
    std::copy(arp.begin(), arp.end(), f.begin() + 12);
    std::copy(mac.begin(), mac.end(), f.begin() + 22);
    std::copy_n(Address::parse("198.18.0.1")->v4_bytes(), 4, f.begin() + 28);
    std::copy_n(kVip.address.v4_bytes(), 4, f.begin() + 38);
    link.sent.clear();
    vips.input(0, {.bytes = buffers.slice({reinterpret_cast<const char*>(f.data()), f.size()})},
               now);
    return std::any_of(link.sent.begin(), link.sent.end(),
                       [](const auto& s) { return s[21] == 2; });
  }

  TestLink link;
  std::array<ip::Link*, 1> links{&link};
  std::array<ip::PortAddresses, 1> ports{{{{*Prefix::parse("198.18.0.2/24")}, {}}}};
  ip::Host vips{links, ports, buffers.memory, lb.wheel};
};

TEST_F(Vips, are_kept_until_the_last_client_of_a_listener_that_left_has_gone) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  EXPECT_TRUE(answers());
  auto listeners = std::exchange(snapshot.listeners, {});
  adopt();
  run(2s);
  EXPECT_TRUE(answers()) << "its call goes on";
  pod(1).answer(pod(1).peer(), *pod(1).last);
  run(100ms);
  EXPECT_EQ(heard(c).body, "pod1");
  EXPECT_TRUE(c.ended);
  run(100ms);
  EXPECT_FALSE(answers());
}

}  // namespace
}  // namespace sluice::relay
