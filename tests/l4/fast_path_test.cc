// The fast path: it takes the packets of known flows, and sends the bytes that the slow path sends.

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "fixture.h"
#include "twins.h"

namespace sluice::l4 {
namespace {

TEST(FastPathBesideSlowPath, random_bursts_leave_as_the_same_frames_and_counts) {
  buf::TestPool rx("fast_rx", 255), hold("fast_hold", 511);
  uint64_t taken = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    std::vector<uint8_t> input(8192);
    for (uint8_t& b : input) b = static_cast<uint8_t>(random.next());
    Twins twins(rx, hold);
    twins.run(input);
    taken += twins.taken();
  }
  EXPECT_GT(taken, 500u);
}

class FastPathTest : public ForwarderTest {
 protected:
  // The number of packets of the burst that the fast path left.
  size_t give_burst(unsigned port, const std::vector<Packet>& packets) {
    std::vector<ip::InFrame> frames;
    for (const Packet& p : packets)
      frames.push_back(
          {pool.filled(frame_of(p, port == kNorth ? north.own() : south.own(), kClient))});
    return forwarder.forward(port, frames, now);
  }
};

TEST_F(FastPathTest, takes_both_directions_of_an_established_connection) {
  const Packet syn = connect(40'000);
  EXPECT_EQ(give_burst(kNorth, {from_client(40'000, kAck, "question")}), 0u);
  const Packet question = only(south);
  EXPECT_EQ(question.data, "question");
  EXPECT_EQ(question.ttl, 63);
  EXPECT_TRUE(question.intact);
  EXPECT_EQ(question.source, syn.source);
  EXPECT_EQ(give_burst(kSouth, {from_pod(syn, kAck, "answer")}), 0u);
  const Packet answer = only(north);
  EXPECT_EQ(answer.data, "answer");
  EXPECT_TRUE(answer.intact);
  EXPECT_EQ(answer.source, vip);
  EXPECT_EQ(counters.l4.to_clients.get(), 2u);  // with the SYN-ACK
}

TEST_F(FastPathTest, leaves_the_packets_behind_one_that_it_leaves) {
  connect(40'000);
  connect(40'001);
  EXPECT_EQ(give_burst(kNorth, {from_client(40'000, kAck, "a"), from_client(40'000, kAck | kFin),
                                from_client(40'001, kAck, "b"), from_client(40'000, kAck, "c")}),
            2u);
  const auto packets = sent(south);
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(packets[0].data, "a");
  EXPECT_EQ(packets[1].data, "b");
}

TEST_F(FastPathTest, leaves_packets_of_no_flow) {
  connect(40'000);
  EXPECT_EQ(give_burst(kNorth, {from_client(40'001, kAck, "a")}), 1u);
  EXPECT_EQ(give_burst(kSouth, {from_client(40'000, kAck, "b")}), 1u);
  EXPECT_TRUE(sent(south).empty());
}

TEST_F(FastPathTest, sends_to_a_pods_new_mac_address_at_once) {
  const Packet syn = connect(40'000);
  EXPECT_EQ(give_burst(kNorth, {from_client(40'000, kAck, "a")}), 0u);
  const ip::Mac other{2, 0, 0, 0, 9, 9};
  dual.hear({.port = kSouth,
             .address = syn.destination.address,
             .mac = other,
             .solicited = true,
             .overrides = true},
            now);
  take_sent();
  EXPECT_EQ(give_burst(kNorth, {from_client(40'000, kAck, "b")}), 0u);
  ASSERT_EQ(south.sent.size(), 1u);
  EXPECT_EQ(std::memcmp(south.sent[0].data(), other.data(), 6), 0);
}

TEST_F(FastPathTest, leaves_packets_when_the_receive_pool_is_short) {
  connect(40'000);
  std::vector<buf::Slice> taken;
  for (buf::Slice s = pool->alloc(); s; s = pool->alloc()) taken.push_back(std::move(s));
  memory.refresh();
  taken.pop_back();
  EXPECT_EQ(give_burst(kNorth, {from_client(40'000, kAck, "a")}), 1u);
}

}  // namespace
}  // namespace sluice::l4
