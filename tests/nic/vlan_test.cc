// Ports that share a device by VLAN id, on a device that the test holds in its hands.

#include "nic/vlan.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "base/byte_order.h"
#include "buf/pool.h"

namespace sluice::nic {
namespace {

class Device final : public PortQueue {
 public:
  uint16_t receive(ip::InFrame* out, uint16_t n) override {
    uint16_t got = 0;
    for (; got < n && !arriving.empty(); ++got) {
      out[got].bytes = std::move(arriving.front());
      arriving.pop_front();
    }
    stats_.driver_cycles += 7;
    return got;
  }
  bool transmit(const ip::OutFrame& frame) override {
    if (full) {
      ++stats_.tx_no_memory;
      return false;
    }
    last = frame;
    std::string bytes(frame.headers.begin(), frame.headers.end());
    for (const buf::View& v : frame.payload) bytes.append(v.begin(), v.end());
    sent.push_back(bytes);
    return true;
  }
  bool transmit(buf::Slice frame) override {
    sent.emplace_back(frame.view().begin(), frame.view().end());
    return true;
  }
  void flush() override { ++flushes; }
  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return 1500; }
  uint32_t max_tso() const override { return 16'384; }

  void lose_on_receive() {
    ++stats_.rx_oversize;
    ++stats_.rx_malformed;
  }

  std::deque<buf::Chain> arriving;
  std::vector<std::string> sent;
  ip::OutFrame last;
  bool full = false;
  int flushes = 0;

 private:
  std::array<uint8_t, 6> mac_{2, 0, 0, 0, 0, 1};
};

const std::string kMacs = "ttttttffffff";  // to, from

std::string tagged(uint16_t tci, const std::string& rest) {
  std::string f = kMacs + "\x81" + std::string(1, '\0') + "..";
  store_be16(reinterpret_cast<uint8_t*>(f.data()) + 14, tci);
  return f + rest;
}

class Vlans : public testing::Test {
 protected:
  void TearDown() override {
    device.arriving.clear();
    trunk.reset();
    EXPECT_EQ(buf::Pool(pool_).available(), 1023u) << "buffers leaked";
    buf::free_pool(pool_);
  }

  void arrive(const std::string& frame) {
    buf::Slice s = buf::Pool(pool_).alloc();
    std::memcpy(s.mutable_data(), frame.data(), frame.size());
    s.grow_back(static_cast<uint32_t>(frame.size()));
    device.arriving.emplace_back(std::move(s));
  }
  // The frames of one receive().
  std::vector<std::string> take(size_t port) {
    ip::InFrame in[32];
    const uint16_t n = trunk->queue(port).receive(in, 32);
    std::vector<std::string> frames;
    for (uint16_t i = 0; i < n; ++i)
      frames.emplace_back(in[i].bytes.view().begin(), in[i].bytes.view().end());
    return frames;
  }
  static ip::OutFrame ipv4_frame(const std::string& headers) {
    ip::OutFrame f;
    f.headers = {reinterpret_cast<const uint8_t*>(headers.data()), headers.size()};
    f.l3_size = 20;
    f.l4_checksum_offset = 14 + 20 + 16;
    return f;
  }

  Device device;
  std::unique_ptr<VlanTrunk> trunk =
      std::make_unique<VlanTrunk>(device, std::vector<uint16_t>{kUntagged, 100, 4094});

 private:
  rte_mempool* pool_ = buf::make_pool("vlan", 1023, 2176, -1);
};

TEST_F(Vlans, a_frame_reaches_the_port_of_its_id_without_the_tag) {
  const std::string rest = "\x08\x06 an ARP packet";
  arrive(kMacs + rest);
  arrive(tagged(100, rest + "1"));
  arrive(tagged(4094, rest + "2"));
  arrive(tagged(100 | 5 << 13, rest + "3"));  // a priority is no part of the id
  EXPECT_EQ(take(1), (std::vector{kMacs + rest + "1", kMacs + rest + "3"}));
  EXPECT_EQ(take(0), (std::vector{kMacs + rest}));
  EXPECT_EQ(take(2), (std::vector{kMacs + rest + "2"}));
  EXPECT_EQ(take(2), std::vector<std::string>{});
  EXPECT_EQ(trunk->queue(1).stats().rx_packets, 2u);
}

TEST_F(Vlans, a_priority_tag_belongs_to_the_port_without_an_id) {
  arrive(tagged(3 << 13, "\x08\x06 ARP"));
  EXPECT_EQ(take(0), (std::vector{kMacs + "\x08\x06 ARP"}));
}

TEST_F(Vlans, an_id_of_no_port_is_a_counted_drop) {
  arrive(tagged(101, "\x08\x06 ARP"));
  arrive(tagged(100, ""));  // cut inside of the tag's frame: no tag can be read
  for (size_t port : {0u, 1u, 2u}) take(port);
  EXPECT_EQ(trunk->queue(0).stats().rx_unknown_vlan, 1u);
  EXPECT_EQ(trunk->queue(0).stats().rx_packets, 1u);
}

TEST_F(Vlans, frames_that_the_device_drops_count_once_at_the_first_port) {
  device.lose_on_receive();
  take(1);
  take(0);
  EXPECT_EQ(trunk->queue(0).stats().rx_oversize, 1u);
  EXPECT_EQ(trunk->queue(0).stats().rx_malformed, 1u);
  EXPECT_EQ(trunk->queue(1).stats().rx_oversize, 0u);
}

TEST_F(Vlans, a_port_that_does_not_look_loses_its_own_frames_only) {
  for (int i = 0; i < 600; ++i) arrive(tagged(100, "\x08\x06 ARP"));
  for (int i = 0; i < 19; ++i) take(2);
  EXPECT_EQ(trunk->queue(1).stats().rx_overflow, 600u - 512u);
  arrive(tagged(4094, "\x08\x06 ARP"));
  EXPECT_EQ(take(2).size(), 1u);
}

TEST_F(Vlans, a_port_says_that_frames_wait_which_came_with_those_of_another_port) {
  arrive(tagged(100, "\x08\x06 ARP"));
  EXPECT_FALSE(trunk->queue(1).waiting());
  take(2);
  EXPECT_TRUE(trunk->queue(1).waiting());
  EXPECT_FALSE(trunk->queue(0).waiting());
  take(1);
  EXPECT_FALSE(trunk->queue(1).waiting());
}

TEST_F(Vlans, a_sent_frame_carries_the_tag_and_the_places_of_its_headers_move) {
  const std::string headers = kMacs + std::string("\x08\0", 2) + std::string(40, 'h');
  const std::string data = "data";
  const buf::Fragment payload(
      buf::View(reinterpret_cast<const uint8_t*>(data.data()), data.size()));
  ip::OutFrame f = ipv4_frame(headers);
  f.payload = {&payload, 1};
  f.payload_size = 4;
  ASSERT_TRUE(trunk->queue(1).transmit(f));
  EXPECT_EQ(device.sent.back(), tagged(100, headers.substr(12) + data));
  EXPECT_EQ(device.last.l2_size, 18);
  EXPECT_EQ(device.last.l4_checksum_offset, 18 + 20 + 16);
  ASSERT_TRUE(trunk->queue(0).transmit(f));
  EXPECT_EQ(device.sent.back(), headers + data);
  trunk->queue(0).flush();
  EXPECT_EQ(device.flushes, 1);
  EXPECT_EQ(trunk->queue(1).stats().tx_packets, 1u);
  EXPECT_EQ(trunk->queue(1).stats().tx_bytes, headers.size() + 4 + 4);
}

TEST_F(Vlans, a_whole_frame_of_any_length_is_sent_with_the_tag) {
  const std::string whole = kMacs + std::string("\x08\0", 2) + std::string(1480, 'w');
  ip::OutFrame f;
  f.headers = {reinterpret_cast<const uint8_t*>(whole.data()), whole.size()};
  ASSERT_TRUE(trunk->queue(2).transmit(f));
  EXPECT_EQ(device.sent.back(), tagged(4094, whole.substr(12)));
}

TEST_F(Vlans, a_drop_of_the_device_counts_at_the_port_that_sent) {
  device.full = true;
  const std::string headers = kMacs + std::string("\x08\0", 2) + std::string(40, 'h');
  EXPECT_FALSE(trunk->queue(1).transmit(ipv4_frame(headers)));
  EXPECT_EQ(trunk->queue(1).stats().tx_no_memory, 1u);
  EXPECT_EQ(trunk->queue(0).stats().tx_no_memory, 0u);
  EXPECT_EQ(trunk->queue(1).stats().tx_packets, 0u);
}

}  // namespace
}  // namespace sluice::nic
