// Handshakes at helper threads: other streams go on meanwhile, and whatever happens to a stream
// whose handshake is away, nothing is lost and nothing leaks.

#include <functional>
#include <semaphore>
#include <thread>

#include "tls/fixture.h"
#include "tls/handshake_pool.h"

namespace sluice::test {
namespace {

class HandshakePoolTest : public TlsTest {
 protected:
  ~HandshakePoolTest() override {
    server = nullptr;
    stream.reset();
    release();
    context.handshakes = nullptr;
  }
  // Helpers that work at once, or not before release().
  void begin(size_t helpers = 1, bool held = false) {
    held_ = held ? helpers : 0;
    lanes = helpers;
    pool_ = std::make_unique<tls::HandshakePool>(tls::HandshakePool::Options{
        .helpers = helpers,
        .workers = 1,
        .begin_thread =
            [this, held](size_t) {
              if (held) gate_.acquire();
            },
        .wake =
            [this](size_t) {
              ++steps_;
              if (held_behind_step_.exchange(false)) gate_.acquire();
            },
    });
    context.handshakes = &pool_->queue(0);
  }
  void release() { gate_.release(static_cast<ptrdiff_t>(std::exchange(held_, 0))); }
  // Until all handshakes are back.
  void collect() {
    while (context.handshakes->away() > 0)
      if (context.collect() == 0) std::this_thread::yield();
    EXPECT_EQ(stats.handshakes_away.get(), 0u);
  }
  // As talk(), with steps at the helpers.
  void talk_by_helpers() {
    for (;;) {
      const std::string there = client.turn();
      to_server(there);
      collect();
      const std::string back = lower->drain();
      if (there.empty() && back.empty()) return;
      client.hear(back);
    }
  }
  // The handshake's last step is at the helper, or on its way back.
  void last_step_is_away() {
    accept();
    to_server(client.turn());
    collect();
    client.hear(lower->drain());
    to_server(client.turn());
    ASSERT_TRUE(client.done);
    ASSERT_GT(context.handshakes->away(), 0u);
  }

  std::counting_semaphore<> gate_{0};
  size_t held_ = 0;
  std::atomic<int> steps_ = 0;                  // that helpers have made
  std::atomic<bool> held_behind_step_ = false;  // the helper waits for release() behind its next
  std::unique_ptr<tls::HandshakePool> pool_;
};

TEST_F(HandshakePoolTest, makes_handshakes_of_both_versions) {
  begin();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client.renew();
    client.only(version);
    accept();
    talk_by_helpers();
    ASSERT_TRUE(owner.established);
    EXPECT_EQ(server->alpn(), "h2");
    EXPECT_EQ(server->server_name(), "a.example");
    to_server(client.write("a request"));
    EXPECT_EQ(owner.heard, "a request");
    EXPECT_EQ(lower->taken, lower->received);
  }
  EXPECT_EQ(stats.handshakes_full.get(), 2u);
}

TEST_F(HandshakePoolTest, other_streams_go_on_while_a_handshake_computes) {
  open();
  auto other_lower = std::move(lower);
  auto other = std::move(stream);
  owner.heard.clear();
  begin(1, true);
  LooseStream below;
  Owner waiting;
  tls::Stream* late = context.streams.create(context, transport::StreamPtr(&below), contexts);
  const transport::StreamPtr late_stream(late);
  below.set_user(*late);
  late->set_user(waiting);
  Client second;
  below.arrive(second.turn(), 1'000, pool);
  EXPECT_EQ(context.handshakes->away(), 1u);
  EXPECT_EQ(stats.handshakes_away.get(), 1u);
  for (int i = 0; i < 10; ++i) {
    other_lower->arrive(client.write("a request"), 1'000, pool);
    EXPECT_EQ(context.collect(), 0u);
  }
  EXPECT_EQ(owner.heard.size(), 90u);
  EXPECT_EQ(below.drain(), "");
  release();
  collect();
  EXPECT_GT(below.drain().size(), 500u) << "the server's flight";
  other.reset();
}

TEST_F(HandshakePoolTest, what_comes_behind_the_handshake_waits_for_its_end) {
  begin();
  for (int round = 0; round < 20; ++round) {
    memory.refresh();
    client.renew();
    last_step_is_away();
    std::string all;
    for (int i = 0; i < 50; ++i) {
      all += "part " + std::to_string(i);
      to_server(client.write("part " + std::to_string(i)), 7);
      if (i % 10 == round % 10) context.collect();
    }
    SSL_shutdown(client.ssl());
    to_server(client.said());
    lower->end_of_data();
    collect();
    EXPECT_EQ(owner.heard, all + ".") << "whole, in order, with a clean end";
    EXPECT_EQ(lower->taken, lower->received);
    EXPECT_EQ(stats.truncated.get(), 0u);
  }
}

TEST_F(HandshakePoolTest, what_waits_keeps_the_window_shut) {
  use({"DNS:a.example"});
  begin(1, true);
  accept();
  to_server(client.turn());
  EXPECT_EQ(lower->taken, lower->received) << "the helper has it";
  const uint64_t taken = lower->taken;
  to_server(std::string(50'000, 'x'));
  EXPECT_EQ(lower->taken, taken);
  EXPECT_GE(server->buffers(), 25u);
  EXPECT_LE(server->buffers(), 26u) << "segments of less than half a buffer are copied";
  EXPECT_EQ(owner.charged, server->buffers());
  release();
  collect();
  EXPECT_EQ(owner.heard, "!") << "that was no TLS";
  EXPECT_EQ(server->buffers(), lower->buffers());
}

TEST_F(HandshakePoolTest, a_client_sends_no_more_than_a_hello_before_it_has_an_answer) {
  begin(1, true);
  accept();
  to_server(client.turn());
  for (int i = 0; i < 1'000 && !lower->closed; ++i) to_server(std::string(100, 'x'));
  EXPECT_TRUE(lower->closed);
  EXPECT_LE(lower->received, context.guards.handshake_size + 2'000u);
  EXPECT_EQ(server->buffers(), lower->buffers());
  EXPECT_EQ(stats.failed_size.get(), 1u);
  EXPECT_STREQ(events.pop()->guard, "handshake_size");
  release();
  collect();
}

TEST_F(HandshakePoolTest, a_client_may_upload_at_once_as_much_as_the_window_takes) {
  begin();
  for (const size_t bytes : {200'000u, 700'000u}) {
    memory.refresh();
    client.renew();
    last_step_is_away();
    const uint64_t taken = lower->taken;
    const std::string body(bytes, 'x');
    to_server(client.write(body), 1'448);
    EXPECT_EQ(owner.heard, "");
    EXPECT_EQ(lower->taken, taken) << "the window stays shut";
    collect();
    EXPECT_FALSE(lower->closed);
    EXPECT_TRUE(owner.heard == body);
    EXPECT_EQ(lower->taken, lower->received);
  }
  EXPECT_EQ(stats.failed_size.get(), 0u);
}

TEST_F(HandshakePoolTest, segments_of_any_size_behind_a_handshake_pin_few_buffers) {
  begin();
  last_step_is_away();
  const std::string bytes = client.write(std::string(400'000, 'x'));
  for (size_t at = 0; at < bytes.size(); at += 1'025) {
    memory.refresh();
    lower->arrive(bytes.substr(at, 1'024), 1'024, pool);
    lower->arrive(bytes.substr(at + 1'024 < bytes.size() ? at + 1'024 : bytes.size(), 1), 1, pool);
  }
  EXPECT_LE(server->buffers(), 256 + 200u);
  collect();
  EXPECT_EQ(owner.heard.size(), 400'000u);
}

TEST_F(HandshakePoolTest, a_handshake_without_an_end_gets_no_more_bytes_than_its_guard_allows) {
  context.guards.handshake_size = 4'096;
  begin();
  accept();
  to_server(client.turn());
  collect();
  EXPECT_NE(lower->drain(), "") << "the server's flight";
  const std::string header("\x17\x03\x03\x40\x00", 5);
  to_server(header);
  const uint64_t taken = lower->taken;
  to_server(std::string(16'000, 'x'));
  EXPECT_FALSE(lower->closed);
  EXPECT_EQ(lower->taken, taken);
  collect();
  EXPECT_TRUE(lower->closed);
  EXPECT_EQ(stats.failed_size.get(), 1u);
  EXPECT_STREQ(events.pop()->guard, "handshake_size");
}

TEST_F(HandshakePoolTest, the_end_of_a_client_during_its_handshake_is_its_failure) {
  begin(1, true);
  accept();
  to_server(client.turn());
  lower->end_of_data();
  EXPECT_EQ(owner.heard, "") << "what came before may complete the handshake";
  release();
  collect();
  EXPECT_EQ(owner.heard, "!");
  EXPECT_EQ(stats.failed_closed.get(), 1u);
}

TEST_F(HandshakePoolTest, a_stream_may_go_while_its_handshake_is_away) {
  const std::vector<std::function<void()>> ways = {
      [&] { server->abort(); },
      [&] { server->close(); },
      [&] { lower->end(CloseReason::kReset); },
      [&] { wheel.advance(Time{} + 20s); },
      [&] { stream.reset(); },
  };
  for (size_t i = 0; i < ways.size(); ++i) {
    begin(1, true);
    client.renew();
    accept();
    to_server(client.turn());
    to_server("more");
    ways[i]();
    EXPECT_EQ(stats.handshaking.get(), 0u) << i;
    release();
    collect();
    EXPECT_EQ(lower->drain(), i == 1 || i == 3 ? kPlainAlert : "") << i;
    EXPECT_FALSE(owner.established) << i;
    stream.reset();
    pool_.reset();
  }
  EXPECT_EQ(stats.failed_timeout.get(), 1u);
}

TEST_F(HandshakePoolTest, a_guards_alert_waits_for_the_helper_that_has_the_keys) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool completed : {false, true}) {
      held_behind_step_ = !completed;
      begin();
      held_ = completed ? 0 : 1;
      client.renew();
      client.only(version);
      accept();
      to_server(client.turn());
      collect();
      client.hear(lower->drain());
      steps_ = 0;
      to_server(client.turn());
      ASSERT_GT(context.handshakes->away(), 0u);
      while (completed && steps_ == 0) std::this_thread::yield();
      const uint64_t alerts = stats.alerts_out.get();
      wheel.advance(context.now += 20s);
      EXPECT_EQ(owner.heard, "!");
      EXPECT_EQ(stats.handshaking.get(), 0u);
      EXPECT_FALSE(lower->closed);
      EXPECT_EQ(lower->drain(), "");
      to_server("more");
      release();
      collect();
      EXPECT_TRUE(lower->closed);
      client.hear(lower->drain());
      client.turn();
      EXPECT_EQ(client.error, "tlsv1 alert internal error") << version << completed;
      EXPECT_EQ(stats.alerts_out.get(), alerts + 1);
      stream.reset();
      pool_.reset();
    }
  }
  EXPECT_EQ(stats.failed_timeout.get(), 4u);
  EXPECT_EQ(stats.handshakes_full.get(), 0u);
}

TEST_F(HandshakePoolTest, a_stream_may_go_while_its_alert_is_away) {
  const std::vector<std::function<void()>> ways = {
      [&] { server->abort(); },
      [&] { server->close(); },
      [&] { lower->end(CloseReason::kReset); },
      [&] { lower->end_of_data(); },
      [&] { stream.reset(); },
  };
  for (size_t i = 0; i < ways.size(); ++i) {
    held_behind_step_ = true;
    begin();
    held_ = 1;
    client.renew();
    accept();
    to_server(client.turn());
    collect();
    client.hear(lower->drain());
    to_server(client.turn());
    wheel.advance(context.now += 20s);
    ways[i]();
    release();
    collect();
    EXPECT_EQ(lower->drain().empty(), i != 1 && i != 3) << i;
    EXPECT_EQ(lower->closed, i == 1 || i == 3) << i;
    stream.reset();
    pool_.reset();
  }
  EXPECT_EQ(stats.failed_timeout.get(), ways.size());
}

TEST_F(HandshakePoolTest, may_end_while_handshakes_are_away) {
  begin(2, true);
  accept();
  to_server(client.turn());
  server->abort();
  release();
  pool_.reset();
  context.handshakes = nullptr;
}

TEST_F(HandshakePoolTest, handshakes_that_wait_are_bounded) {
  context.guards.waiting_handshakes = 1;
  begin(1, true);
  accept();
  to_server(client.turn());
  EXPECT_FALSE(lower->closed);
  LooseStream below;
  Owner refused;
  tls::Stream* late = context.streams.create(context, transport::StreamPtr(&below), contexts);
  const transport::StreamPtr late_stream(late);
  below.set_user(*late);
  late->set_user(refused);
  Client second;
  below.arrive(second.turn(), 1'000, pool);
  EXPECT_TRUE(below.closed);
  EXPECT_EQ(refused.heard, "!");
  EXPECT_EQ(stats.failed_waiting.get(), 1u);
  EXPECT_EQ(below.drain(), kPlainAlert);
  EXPECT_STREQ(events.pop()->guard, "waiting_handshakes");
  release();
  talk_by_helpers();
  EXPECT_TRUE(owner.established) << "a handshake that was begun goes on";
}

TEST_F(HandshakePoolTest, several_helpers_share_the_handshakes) {
  for (const KeyKind kind : {KeyKind::kEcdsa, KeyKind::kRsa}) {
    use({"DNS:a.example"}, {.kind = kind});
    begin(3);
    struct Party {
      Client client;
      LooseStream below;
      Owner owner;
      transport::StreamPtr stream;
    };
    std::vector<std::unique_ptr<Party>> parties;
    accept();
    for (int i = 0; i < 30; ++i) {
      auto& p = *parties.emplace_back(std::make_unique<Party>());
      tls::Stream* s = context.streams.create(context, transport::StreamPtr(&p.below), contexts);
      p.stream.reset(s);
      p.below.set_user(*s);
      s->set_user(p.owner);
    }
    for (int round = 0; round < 4; ++round) {
      for (auto& p : parties) {
        const std::string bytes = p->client.turn();
        if (!bytes.empty()) p->below.arrive(bytes, 1'000, pool);
      }
      collect();
      for (auto& p : parties) p->client.hear(p->below.drain());
    }
    for (auto& p : parties) {
      EXPECT_TRUE(p->owner.established);
      EXPECT_TRUE(p->client.done) << p->client.error;
    }
    stream.reset();
    parties.clear();
    context.handshakes = nullptr;
    pool_.reset();
  }
}

}  // namespace
}  // namespace sluice::test
