#include "l4/tcp_state.h"

#include <gtest/gtest.h>

namespace sluice::l4 {
namespace {

constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kAck = 16;

TEST(FlowStates, follow_a_connection_from_its_handshake_to_its_end) {
  FlowState s = FlowState::kSynSent;
  s = next_state(s, Side::kPod, kSyn | kAck);
  EXPECT_EQ(s, FlowState::kSynReceived);
  EXPECT_TRUE(half_open(s));
  s = next_state(s, Side::kClient, kAck);
  EXPECT_EQ(s, FlowState::kEstablished);
  s = next_state(s, Side::kClient, kAck | kFin);
  EXPECT_EQ(s, FlowState::kClientFin);
  s = next_state(s, Side::kPod, kAck);
  EXPECT_EQ(s, FlowState::kClientFin);
  s = next_state(s, Side::kPod, kAck | kFin);
  EXPECT_TRUE(over(s));
}

TEST(FlowStates, know_that_one_side_may_send_its_fin_again) {
  EXPECT_EQ(next_state(FlowState::kClientFin, Side::kClient, kAck | kFin), FlowState::kClientFin);
  EXPECT_EQ(next_state(FlowState::kPodFin, Side::kPod, kAck | kFin), FlowState::kPodFin);
  EXPECT_EQ(next_state(FlowState::kPodFin, Side::kClient, kAck | kFin), FlowState::kClosing);
}

TEST(FlowStates, are_over_after_a_reset) {
  EXPECT_TRUE(over(next_state(FlowState::kSynSent, Side::kPod, kRst | kAck)));
  EXPECT_TRUE(over(next_state(FlowState::kEstablished, Side::kClient, kRst)));
  EXPECT_EQ(next_state(FlowState::kClosing, Side::kClient, kRst), FlowState::kClosing);
}

TEST(FlowStates, take_a_reset_back_when_the_connection_goes_on) {
  const FlowState s = next_state(FlowState::kEstablished, Side::kClient, kRst);
  EXPECT_EQ(next_state(s, Side::kPod, kAck), FlowState::kEstablished);
  EXPECT_EQ(next_state(s, Side::kClient, kAck), FlowState::kEstablished);
  EXPECT_EQ(next_state(s, Side::kPod, kAck | kFin), FlowState::kPodFin);
}

TEST(FlowStates, are_not_established_by_a_client_that_resets_and_goes_on) {
  FlowState s = next_state(FlowState::kSynSent, Side::kClient, kRst);
  s = next_state(s, Side::kClient, kAck);
  EXPECT_TRUE(over(s));
  EXPECT_EQ(next_state(s, Side::kPod, kSyn | kAck), FlowState::kSynReceived);
}

TEST(FlowStates, are_not_opened_by_a_client_alone) {
  EXPECT_EQ(next_state(FlowState::kSynSent, Side::kClient, kAck), FlowState::kSynSent);
  EXPECT_EQ(next_state(FlowState::kSynSent, Side::kClient, kSyn), FlowState::kSynSent);
}

TEST(FlowStates, are_not_established_by_a_fin) {
  for (const FlowState s : {FlowState::kSynSent, FlowState::kSynReceived})
    EXPECT_EQ(next_state(s, Side::kClient, kFin), s);
}

TEST(FlowStates, take_a_reset_of_the_handshake_back_when_the_pod_goes_on) {
  const FlowState s = next_state(FlowState::kSynReceived, Side::kClient, kRst);
  EXPECT_TRUE(over(s));
  EXPECT_EQ(next_state(s, Side::kPod, kAck), FlowState::kEstablished);
}

TEST(FlowStates, of_udp_tell_whether_the_pod_has_answered) {
  EXPECT_EQ(next_state(FlowState::kUdp, Side::kClient, 0), FlowState::kUdp);
  EXPECT_EQ(next_state(FlowState::kUdp, Side::kPod, 0), FlowState::kUdpAnswered);
  EXPECT_EQ(next_state(FlowState::kUdpAnswered, Side::kClient, 0), FlowState::kUdpAnswered);
}

TEST(FlowStates, are_told_by_the_client_alone_where_the_pod_answers_elsewhere) {
  FlowState s = next_state_of_client(FlowState::kSynSent, kSyn);
  EXPECT_EQ(s, FlowState::kSynSent);
  EXPECT_EQ(next_state_of_client(s, kRst), FlowState::kRefused);
  EXPECT_EQ(next_state_of_client(FlowState::kRefused, kSyn), FlowState::kSynSent);
  s = next_state_of_client(s, kAck);
  EXPECT_EQ(s, FlowState::kEstablished);
  EXPECT_EQ(next_state_of_client(s, kSyn), FlowState::kEstablished);
  EXPECT_EQ(next_state_of_client(s, kRst), FlowState::kReset);
  EXPECT_EQ(next_state_of_client(FlowState::kReset, kAck), FlowState::kEstablished);
  s = next_state_of_client(s, kAck | kFin);
  EXPECT_TRUE(over(s));
  EXPECT_EQ(next_state_of_client(s, kAck), s);
  EXPECT_EQ(next_state_of_client(s, kSyn), FlowState::kSynSent);
  EXPECT_EQ(next_state_of_client(FlowState::kUdp, 0), FlowState::kUdp);
}

}  // namespace
}  // namespace sluice::l4
