// A peer that does not answer: what the owner and IP are told of it, long before the connection
// ends (RFC 1122, 2.3.2.1 and 4.2.3.5).

#include "fixture.h"

namespace sluice::test {
namespace {

using Silence = TcpTest;

TEST_F(Silence, an_expired_timeout_is_told_once_and_taken_back_by_the_next_acknowledgement) {
  connected();
  write(100);
  after(150ms);
  EXPECT_TRUE(owner.silences.empty());
  EXPECT_TRUE(wire.doubted.empty());
  after(100ms);
  EXPECT_EQ(owner.silences, std::vector<bool>{true});
  EXPECT_TRUE(owner.connection->silent());
  after(1s);
  EXPECT_EQ(owner.silences, std::vector<bool>{true});
  wire.sent.clear();
  send({.seq = 1, .ack = 101});
  EXPECT_EQ(owner.silences, (std::vector<bool>{true, false}));
  EXPECT_FALSE(owner.connection->silent());
}

TEST_F(Silence, each_expired_timeout_makes_ip_ask_for_the_next_hop_again) {
  connected();
  write(100);
  after(250ms);
  EXPECT_EQ(wire.doubted, std::vector<Address>{there.address});
  after(500ms);
  EXPECT_EQ(wire.doubted.size(), 2u);
  wire.sent.clear();
}

TEST_F(Silence, a_syn_without_an_answer_counts_until_there_is_one) {
  config.connect_timeout = 60s;
  connect();
  after(1010ms);
  EXPECT_EQ(owner.silences, std::vector<bool>{true});
  EXPECT_EQ(wire.doubted.size(), 1u);
  expect({.flags = SYN, .seq = 0});
  wire.sent.clear();
  send({.flags = SYN | ACK, .seq = 0, .ack = 1, .mss = 1460});
  EXPECT_EQ(owner.silences, (std::vector<bool>{true, false}));
  EXPECT_TRUE(owner.established);
  wire.sent.clear();
}

TEST_F(Silence, a_tail_probe_that_is_answered_is_no_silence) {
  connected();
  write(2'000);
  wire.sent.clear();
  send({.seq = 1, .ack = 1461});
  after(150ms);
  send({.seq = 1, .ack = 2001});
  after(5s);
  EXPECT_TRUE(owner.silences.empty());
  EXPECT_TRUE(wire.doubted.empty());
  wire.sent.clear();
}

TEST_F(Silence, a_shut_window_that_answers_probes_is_no_silence_and_one_that_does_not_is_doubted) {
  connected();
  send({.seq = 1, .ack = 1, .window = 0});
  write(100);
  for (int i = 0; i < 40; ++i) {
    after(100ms);
    if (!wire.sent.empty()) send({.seq = 1, .ack = 1, .window = 0});
    wire.sent.clear();
  }
  EXPECT_GE(counters.window_probes.get(), 3u);
  EXPECT_TRUE(wire.doubted.empty());
  EXPECT_TRUE(owner.silences.empty());
  after(20s);
  EXPECT_FALSE(wire.doubted.empty());
  wire.sent.clear();
}

TEST_F(Silence, an_unanswered_keepalive_is_doubted) {
  config.keepalive_idle = 10s;
  config.keepalive_interval = 1s;
  connected();
  after(10'500ms);
  EXPECT_TRUE(wire.doubted.empty()) << "the first probe may still be answered";
  after(1s);
  EXPECT_EQ(wire.doubted, std::vector<Address>{there.address});
  wire.sent.clear();
}

}  // namespace
}  // namespace sluice::test
