// Streams of both kinds, plain and of records, between two TCP stacks.

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "support/record_stream.h"
#include "tcp/simulated_link.h"
#include "transport/plain.h"

namespace sluice::test {
namespace {

using transport::CloseReason;

const Endpoint kServer{Address::v4(0xc6120002u), 50051};

enum class Kind { kPlain, kRecords };

// One end of a connection.
struct Party final : transport::User {
  void on_established(transport::Stream&) override { established = true; }
  void on_data(transport::Stream& s, buf::Slice data) override {
    heard.append(reinterpret_cast<const char*>(data.data()), data.size());
    if (reads) s.consumed(data.size());
  }
  void on_end_of_data(transport::Stream&, transport::End end) override { ended = end; }
  void on_writable(transport::Stream&) override { ++writable; }
  void on_closed(transport::Stream&, CloseReason reason) override {
    EXPECT_FALSE(closed.has_value()) << "a second last word";
    closed = reason;
    stream.reset();
  }

  transport::StreamPtr stream;  // nullptr once it is closed
  bool reads = true;
  bool established = false;
  std::string heard;
  std::optional<transport::End> ended;
  std::optional<CloseReason> closed;
  int writable = 0;
};

class Layers : public testing::TestWithParam<Kind>, public tcp::Acceptor {
 protected:
  explicit Layers(const LinkModel& link = {}) : world(7, link, impatient(), rx_, hold_) {
    for (size_t i = 0; i < 2; ++i) {
      plain[i].emplace(world.hosts[i]->stack);
      records[i].emplace(*plain[i], hold, 300);
    }
    world.hosts[1]->stack.listen(kServer, this);
  }
  ~Layers() override {
    for (Party* p : {&client, &server})
      if (p->stream != nullptr) p->stream->abort();
    run_for(1s);
  }
  static tcp::Config impatient() {
    tcp::Config c;
    c.connect_timeout = 5s;
    c.closing_timeout = 5s;
    return c;
  }

  transport::Layer& layer(size_t host) {
    if (GetParam() == Kind::kPlain) return *plain[host];
    return *records[host];
  }
  tcp::User* on_accept(tcp::Connection& c) override {
    transport::Layer::Accepted accepted = layer(1).accept(c);
    server.stream = std::move(accepted.stream);
    server.stream->set_user(server);
    return accepted.tcp_user;
  }
  void connect() {
    client.stream = layer(0).connect(kServer, client, world.now);
    ASSERT_NE(client.stream, nullptr);
  }
  void open() {
    connect();
    run_for(1s);
    ASSERT_TRUE(client.established);
    ASSERT_NE(server.stream, nullptr);
  }
  void send(Party& from, const std::string& bytes) {
    from.stream->output().append_copy(
        {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, hold);
    from.stream->push();
  }
  // What was said leaves, and time passes.
  void run_for(Duration time) {
    for (auto& h : world.hosts) h->stack.flush(world.now);
    world.run_for(time);
  }
  static std::string text(size_t n) {
    std::string s;
    while (s.size() < n) s += std::to_string(s.size()) + " ";
    return s;
  }

 private:
  rte_mempool* rx_ = pool("layers_rx");
  rte_mempool* hold_ = pool("layers_hold");
  static rte_mempool* pool(const char* name) {
    rte_mempool* old = rte_mempool_lookup(name);
    return old != nullptr ? old : buf::make_pool(name, 4095, 2048 + 128, -1);
  }

 protected:
  buf::Pool hold{hold_};
  World world;
  std::optional<transport::PlainLayer> plain[2];
  std::optional<RecordLayer> records[2];
  Party client;
  Party server;
};

TEST_P(Layers, pass_bytes_both_ways) {
  open();
  EXPECT_EQ(client.stream->peer(), kServer);
  send(client, text(20'000));
  send(server, text(30'000));
  run_for(5s);
  EXPECT_TRUE(server.heard == text(20'000));
  EXPECT_TRUE(client.heard == text(30'000));
  EXPECT_GT(client.stream->round_trip(), Duration::zero());
}

TEST_P(Layers, tell_positions_on_the_safe_side_at_every_moment) {
  open();
  const transport::Stream& s = *client.stream;
  send(client, text(100'000));
  const uint64_t end = s.output().end();
  run_for({});
  for (int i = 0; i < 1'000 && s.acknowledged() < end; ++i) {
    EXPECT_GE(s.transmitted(), server.heard.size()) << "what was heard had left";
    EXPECT_LE(s.acknowledged(), server.heard.size()) << "what is acknowledged was heard";
    ASSERT_TRUE(world.step());
  }
  run_for(1s);
  EXPECT_EQ(s.acknowledged(), end);
  EXPECT_EQ(s.transmitted(), end);
  EXPECT_EQ(s.buffers(), 0u);
}

TEST_P(Layers, what_cannot_leave_was_not_transmitted) {
  open();
  server.reads = false;
  std::string all;
  while (client.stream->room() > 0) {
    send(client, text(10'000));
    all += text(10'000);
    run_for(1s);
  }
  EXPECT_LT(client.stream->transmitted(), client.stream->output().end());
  EXPECT_GE(client.stream->transmitted(), server.heard.size());
  EXPECT_GT(client.stream->buffers(), 0u);
  server.reads = true;
  server.stream->consumed(static_cast<uint32_t>(server.heard.size()));
  run_for(60s);
  EXPECT_TRUE(server.heard == all);
  EXPECT_GT(client.writable, 0);
  EXPECT_EQ(client.stream->acknowledged(), client.stream->output().end());
}

TEST_P(Layers, end_cleanly_one_direction_after_the_other) {
  open();
  send(client, "question");
  client.stream->close();
  run_for(1s);
  EXPECT_EQ(server.heard, "question");
  EXPECT_EQ(server.ended, transport::End::kClean);
  send(server, "answer");
  server.stream->close();
  run_for(120s);
  EXPECT_EQ(client.heard, "answer");
  EXPECT_EQ(client.ended, transport::End::kClean);
  EXPECT_EQ(client.closed, CloseReason::kFinished);
  EXPECT_EQ(server.closed, CloseReason::kFinished);
}

TEST_P(Layers, an_abort_is_a_reset_to_the_peer) {
  open();
  client.stream->abort();
  run_for(1s);
  EXPECT_EQ(client.closed, CloseReason::kAborted);
  EXPECT_EQ(server.closed, CloseReason::kReset);
}

TEST_P(Layers, nobody_listens) {
  world.hosts[1]->stack.unlisten(kServer);
  connect();
  run_for(1s);
  EXPECT_FALSE(client.established);
  EXPECT_EQ(client.closed, CloseReason::kReset);
}

TEST_P(Layers, nobody_answers) {
  world.drop = [](const Packet&) { return true; };
  connect();
  run_for(10s);
  EXPECT_EQ(client.closed, CloseReason::kTimeout);
}

TEST_P(Layers, nobody_answers_any_more) {
  open();
  client.stream->set_user_timeout(3s);
  world.drop = [](const Packet&) { return true; };
  send(client, "hello?");
  run_for(30s);
  EXPECT_EQ(client.closed, CloseReason::kTimeout);
}

TEST_P(Layers, a_peer_that_takes_nothing_after_the_end_is_not_waited_for) {
  open();
  server.reads = false;
  while (client.stream->room() > 0) {
    send(client, text(10'000));
    run_for(1s);
  }
  client.stream->close();
  run_for(30s);
  EXPECT_EQ(client.closed, CloseReason::kNotTaken);
}

struct LossyLayers : Layers {
  LossyLayers() : Layers({.loss = 0.05, .reorder = 0.05}) {}
};

TEST_P(LossyLayers, pass_bytes_in_order_whatever_the_link_does) {
  open();
  send(client, text(100'000));
  send(server, text(100'000));
  run_for(120s);
  EXPECT_TRUE(server.heard == text(100'000));
  EXPECT_TRUE(client.heard == text(100'000));
}

std::string name(const testing::TestParamInfo<Kind>& info) {
  return info.param == Kind::kPlain ? "plain" : "records";
}
INSTANTIATE_TEST_SUITE_P(Kinds, Layers, testing::Values(Kind::kPlain, Kind::kRecords), name);
INSTANTIATE_TEST_SUITE_P(Kinds, LossyLayers, testing::Values(Kind::kPlain, Kind::kRecords), name);

}  // namespace
}  // namespace sluice::test
