// Clients' connections that are moved away although nothing is wrong with them.

#include "fixture.h"
#include "http2/raw.h"

namespace sluice::relay {
namespace {

class ClientLife : public RelayTest {
 protected:
  // Heard GOAWAY, and then the connection's end.
  static bool told_to_leave(Peer& p) { return p.ended || p.closed; }
};

TEST_F(ClientLife, by_default_an_idle_connection_stays) {
  EXPECT_EQ(config::Timeouts{}.client_idle, 0s);
  EXPECT_EQ(config::Timeouts{}.max_connection_age, 0s);
  endpoints({1});
  Peer& c = client();
  run(20s);
  EXPECT_FALSE(told_to_leave(c));
}

TEST_F(ClientLife, an_idle_connection_is_closed_after_client_idle_timeout) {
  snapshot.timeouts.client_idle = 2s;
  endpoints({1});
  Peer& c = client();
  run(1s);
  call(c);
  run(1900ms);
  EXPECT_FALSE(told_to_leave(c));
  run(200ms);
  EXPECT_TRUE(told_to_leave(c));
  EXPECT_EQ(heard(c).body, "pod1");
  EXPECT_EQ(worker->relay.client_idle_goaways.get(), 1u);
}

TEST_F(ClientLife, a_reload_of_client_idle_timeout_finds_who_is_idle_already) {
  endpoints({1});
  Peer& c = client();
  run(5s);
  snapshot.timeouts.client_idle = 2s;
  adopt();
  run(2'100ms);
  EXPECT_TRUE(told_to_leave(c));
}

TEST_F(ClientLife, a_connection_with_a_silent_stream_is_not_idle) {
  snapshot.timeouts.client_idle = 1s;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  run(5s);
  EXPECT_FALSE(told_to_leave(c));
  pod(1).answer(pod(1).peer(), *pod(1).last);
  run(900ms);
  EXPECT_FALSE(told_to_leave(c));
  run(200ms);
  EXPECT_TRUE(told_to_leave(c));
}

TEST_F(ClientLife, an_old_connection_is_moved_away_and_its_call_ends_in_peace) {
  snapshot.timeouts.max_connection_age = 10s;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  run(8900ms);
  EXPECT_EQ(worker->relay.client_age_goaways.get(), 0u);
  run(2200ms);
  EXPECT_EQ(worker->relay.client_age_goaways.get(), 1u);
  run(10s);
  EXPECT_FALSE(told_to_leave(c));
  pod(1).answer(pod(1).peer(), *pod(1).last);
  run(100ms);
  EXPECT_EQ(heard(c).body, "pod1");
  EXPECT_TRUE(told_to_leave(c));
}

TEST_F(ClientLife, after_the_grace_what_is_left_of_an_old_connection_ends_as_unavailable) {
  snapshot.timeouts.max_connection_age = 10s;
  snapshot.timeouts.max_connection_age_grace = 3s;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  run(11900ms);
  EXPECT_FALSE(heard(c).ended);
  run(2200ms);
  expect_trailers_only(c);
  EXPECT_TRUE(told_to_leave(c));
}

TEST_F(ClientLife, connections_of_one_moment_do_not_age_in_one_moment) {
  snapshot.timeouts.max_connection_age = 10s;
  endpoints({1});
  for (int i = 0; i < 20; ++i) client();
  run(9900ms);
  const uint64_t early = worker->relay.client_age_goaways.get();
  EXPECT_GT(early, 0u);
  EXPECT_LT(early, 20u);
  run(1200ms);
  EXPECT_EQ(worker->relay.client_age_goaways.get(), 20u);
}

TEST_F(ClientLife, a_connection_that_has_had_its_streams_is_moved_away_and_no_call_is_lost) {
  snapshot.limits.max_connection_streams = 3;
  endpoints({1});
  Peer& c = client();
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_FALSE(told_to_leave(c));
    call(c);
    EXPECT_EQ(heard(c, 1 + 2 * i).body, "pod1");
  }
  run(100ms);
  EXPECT_TRUE(told_to_leave(c));
  EXPECT_EQ(worker->relay.client_count_goaways.get(), 1u);
}

TEST_F(ClientLife, nothing_is_said_behind_a_fin) {
  endpoints({1});
  Peer& c = client();
  call(c);
  c.tcp->close();
  outside.stack.flush(now);
  outside.cut = true;  // the client's last ACK is lost
  run(10ms);
  relay->set_now(now);
  relay->begin_drain({}, 100ms);
  run(200ms);
  EXPECT_EQ(worker->http2.goaways_out.get(), 0u);
  outside.cut = false;
}

// Sends what it likes, and does not listen.
struct DeafClient final : tcp::User {
  void on_established(tcp::Connection&) override {}
  void on_data(tcp::Connection& c, buf::Slice data) override {
    heard.append(reinterpret_cast<const char*>(data.data()), data.size());
    c.consumed(data.size());
  }
  void on_end_of_data(tcp::Connection&) override { ended = true; }
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason) override { closed = true; }

  std::string heard;
  bool ended = false;
  bool closed = false;
};

TEST_F(RelayTest, who_goes_on_sending_behind_the_end_of_his_connection_is_reset) {
  endpoints({1});
  DeafClient deaf;
  tcp::Connection* c = outside.stack.connect({}, kVip, &deaf, now);
  run();
  const auto send = [&](const std::string& bytes) {
    c->send_queue().append_copy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                                buffers.memory.hold());
    c->push();
    run();
  };
  send(http2::hello() + http2::frame(http2::FrameType::kPushPromise, 0, 1, "1234"));
  EXPECT_TRUE(deaf.ended);
  EXPECT_EQ(http2::frames(deaf.heard).back().head.type, http2::FrameType::kGoaway);
  const Endpoint deaf_address = c->local();
  int sent = 0;
  for (; sent < 100 && !deaf.closed; ++sent) send(std::string(16'384, 'x'));
  EXPECT_GE(sent, 16) << "it may not have read its GOAWAY yet";
  EXPECT_LE(sent, 18);
  EXPECT_EQ(worker->relay.client_connections.get(), 0u);
  EXPECT_EQ(worker->relay.guard_discarded.get(), 1u);
  EXPECT_STREQ(worker->events.pop()->what, "PUSH_PROMISE, which was switched off");
  const auto event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_STREQ(event->guard, "discarded");
  EXPECT_EQ(event->peer, deaf_address);
}

TEST_F(RelayTest, who_has_skipped_nearly_all_stream_ids_is_moved_away_and_told_in_the_log) {
  endpoints({1});
  DeafClient skipping;
  tcp::Connection* c = outside.stack.connect({}, kVip, &skipping, now);
  run();
  const std::string bytes =
      http2::hello() + http2::headers(1, true) + http2::headers(http2::kMaxStreamId, true);
  c->send_queue().append_copy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                              buffers.memory.hold());
  c->push();
  run();
  EXPECT_EQ(pod(1).requests(), 2) << "no call is lost";
  EXPECT_EQ(worker->relay.guard_stream_ids.get(), 1u);
  EXPECT_EQ(worker->relay.client_count_goaways.get(), 0u);
  const auto event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_STREQ(event->guard, "stream_ids");
  EXPECT_EQ(event->peer, c->local());
  EXPECT_FALSE(event->pod);
  EXPECT_FALSE(worker->events.pop());
  bool goaway = false;
  for (const http2::Frame& f : http2::frames(skipping.heard))
    goaway |= f.head.type == http2::FrameType::kGoaway && f.number() == http2::kMaxStreamId;
  EXPECT_TRUE(goaway);
  c->abort();
  run();
}

TEST_F(RelayTest, a_guard_that_acts_on_streams_is_told_once_a_connection_with_the_peers_address) {
  snapshot.guards.header_fields = 16;
  endpoints({1});
  Peer& c = client();
  http::FieldList many = http2::request();
  for (int i = 0; i < 20; ++i) many.add("x", "y", http::Name::kOther);
  for (int i = 0; i < 3; ++i) c.h2->open(many, true, &c.owner);
  run();
  EXPECT_EQ(worker->http2.header_list_too_big.get(), 3u);
  const auto event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_STREQ(event->guard, "header_list");
  EXPECT_EQ(event->peer, c.tcp->local());
  EXPECT_FALSE(worker->events.pop()) << "once";
}

}  // namespace
}  // namespace sluice::relay
