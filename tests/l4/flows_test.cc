// The table of flows: both directions, expiry by state, and eviction.

#include "l4/flows.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::l4 {
namespace {

class FlowTable : public testing::Test {
 protected:
  static constexpr size_t kCapacity = 64;

  Flow flow(uint16_t port, FlowState state = FlowState::kEstablished) const {
    Flow f;
    f.remote = Address::v4(0x0a000001);
    f.remote_port = port;
    f.to = Address::v4(0x0a000101);
    f.to_port = 80;
    f.local = f.vip = 3;
    f.local_port = 443;
    f.from = 1;
    f.from_port = static_cast<uint16_t>(port + 1000);
    f.pod = 7;
    f.state = state;
    f.protocol = state == FlowState::kUdp ? 17 : 6;
    f.seen = Flows::stamp(now);
    return f;
  }
  // The ports of the flows that a whole sweep forgets.
  std::vector<uint16_t> swept() {
    std::vector<uint16_t> gone;
    flows.sweep(Flows::kSweep, timeouts, now,
                [&](const Flow& f) { gone.push_back(f.remote_port); });
    return gone;
  }

  Time now{100s};
  config::FlowTimeouts timeouts;
  Flows flows{kCapacity, SipKey{1, 2}};
};

TEST(FlowHashInParts, is_the_hash_of_the_whole_key) {
  const FlowHash hash({1, 2});
  const uint32_t ports = 4 | 60'000 << 16;
  const FlowHash::Part part = hash.part(60'000, 5);
  const Address v4 = Address::v4(0x0a010203);
  EXPECT_EQ(hash.of_v4(part, v4.v4_bytes(), 4), hash.of(v4, ports, 5));
  const Address v6 = *Address::parse("2001:db8::1:2");
  EXPECT_EQ(hash.of_v6(part, v6.bytes.data(), 4), hash.of(v6, ports, 5));
}

TEST_F(FlowTable, finds_both_directions_of_a_flow) {
  flows.insert(flow(1));
  EXPECT_EQ(flows.size(), 1u);
  const Flow* client = flows.find(flow(1).key());
  ASSERT_NE(client, nullptr);
  const Flow* pod = flows.find(client->partner());
  ASSERT_NE(pod, nullptr);
  EXPECT_EQ(pod->side, Side::kPod);
  EXPECT_EQ(pod->remote, client->to);
  EXPECT_EQ(pod->to, client->remote);
  EXPECT_EQ(pod->to_port, 1);
  EXPECT_EQ(pod->from, 3);
  EXPECT_EQ(pod->from_port, 443);
  EXPECT_TRUE(pod->partner() == client->key());
  flows.erase(Flow(*pod));
  EXPECT_EQ(flows.size(), 0u);
  EXPECT_EQ(flows.find(flow(1).key()), nullptr);
}

TEST_F(FlowTable, keeps_the_sides_of_equal_numbers_apart) {
  flows.insert(flow(1));
  FlowKey key = flow(1).key();
  key.side = Side::kPod;
  EXPECT_EQ(flows.find(key), nullptr);
}

TEST_F(FlowTable, forgets_flows_by_the_timeout_of_their_state) {
  flows.insert(flow(1, FlowState::kSynSent));
  flows.insert(flow(2, FlowState::kClosing));
  flows.insert(flow(3, FlowState::kUdp));
  flows.insert(flow(4, FlowState::kEstablished));
  flows.insert(flow(5, FlowState::kClientFin));
  EXPECT_EQ(flows.half_open(), 1u);
  now += timeouts.opening + 1s;
  EXPECT_EQ(swept(), std::vector<uint16_t>{1});
  EXPECT_EQ(flows.half_open(), 0u);
  now += timeouts.closing - timeouts.opening;
  EXPECT_EQ(swept(), std::vector<uint16_t>{2});
  now += timeouts.udp - timeouts.closing;
  EXPECT_EQ(swept(), std::vector<uint16_t>{3});
  now += timeouts.established - timeouts.udp;
  EXPECT_EQ(swept().size(), 2u);
  EXPECT_EQ(flows.size(), 0u);
}

TEST_F(FlowTable, keeps_a_flow_of_which_either_side_sends) {
  flows.insert(flow(1));
  now += timeouts.established;
  flows.find(flow(1).partner())->seen = Flows::stamp(now);
  now += 1s;
  EXPECT_TRUE(swept().empty());
}

TEST_F(FlowTable, forgets_every_silent_flow_in_one_sweep_or_the_next) {
  for (uint16_t p = 1; p <= kCapacity; ++p) flows.insert(flow(p, FlowState::kUdp));
  EXPECT_TRUE(flows.full());
  now += timeouts.udp + 1s;
  const size_t first = swept().size();
  EXPECT_EQ(first + swept().size(), kCapacity);
}

TEST_F(FlowTable, gives_up_half_open_flows_first_then_those_that_are_over_then_silent_ones) {
  for (uint16_t p = 1; p <= kCapacity; ++p) flows.insert(flow(p));
  EXPECT_EQ(flows.victim(0, now), nullptr);
  now += 61s;
  ASSERT_NE(flows.victim(0, now), nullptr);
  for (uint16_t p = 1; p <= kCapacity; ++p)
    flows.set_state(*flows.find(flow(p).key()),
                    p % 2 == 0 ? FlowState::kReset : FlowState::kEstablished);
  EXPECT_EQ(flows.victim(0, now)->state, FlowState::kReset);
  for (uint16_t p = 1; p <= kCapacity; p += 2)
    flows.set_state(*flows.find(flow(p).key()), FlowState::kSynReceived);
  EXPECT_EQ(flows.victim(0, now)->state, FlowState::kSynReceived);
  EXPECT_EQ(flows.half_open(), kCapacity / 2);
}

}  // namespace
}  // namespace sluice::l4
