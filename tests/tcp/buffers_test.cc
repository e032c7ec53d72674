// Buffers and memory: windows that stay shut while there is none, and how far a send buffer grows.

#include <chrono>

#include "fixture.h"
#include "simulated_link.h"

namespace sluice::test {
namespace {

using tcp::CloseReason;

class Shortage : public TcpTest {
 protected:
  void SetUp() override {
    TcpTest::SetUp();
    config.receive_buffer = config.receive_buffer_max = 8'000;
    owner.consume = false;
  }
  void begin() {
    while (memory.hold().available() > 20) taken_.push_back(memory.hold().alloc());
    flush();
    ASSERT_FALSE(memory.roomy());
  }
  void end() { taken_.clear(); }
  void fill() {
    for (uint32_t at = 0; at < 8'000; at += 1'000) send({.seq = 1 + at, .ack = 1, .length = 1'000});
    after(41ms);
    ASSERT_FALSE(wire.sent.empty());
    EXPECT_EQ(wire.sent.back().header.window, 0u);
    wire.sent.clear();
  }

 private:
  std::vector<buf::Slice> taken_;
};

TEST_F(Shortage, a_window_that_stayed_shut_opens_when_memory_returns) {
  accept();
  fill();
  begin();
  owner.connection->consumed(8'000);
  after(1s);
  expect_silence();
  end();
  flush();
  expect({.ack = 8001, .window = 8'000});
  expect_silence();
  after(1s);
  expect_silence();
}

TEST_F(Shortage, a_connection_that_sends_meanwhile_is_not_forgotten) {
  accept();
  write(100);
  wire.sent.clear();
  fill();
  begin();
  owner.connection->consumed(8'000);
  send({.seq = 8001, .ack = 101});
  send({.seq = 8000, .ack = 101});  // asks whether there is a window yet
  expect({.ack = 8001, .window = 0});
  end();
  flush();
  expect({.ack = 8001, .window = 8'000});
}

TEST_F(Shortage, one_that_ends_meanwhile_leaves_nothing_behind) {
  accept();
  fill();
  begin();
  owner.connection->consumed(8'000);
  send({.flags = RST, .seq = 8001});
  EXPECT_EQ(owner.closed, CloseReason::kReset);
  end();
  flush();
  expect_silence();
}

TEST_F(Shortage, windows_open_a_few_at_a_time) {
  constexpr size_t kConnections = 100;
  std::vector<tcp::Connection*> all;
  for (size_t i = 0; i < kConnections; ++i) {
    accept();
    fill();
    all.push_back(owner.connection);
    ++there.port;
  }
  begin();
  for (tcp::Connection* c : all) c->consumed(8'000);
  flush();
  expect_silence();
  end();
  flush();
  EXPECT_GT(wire.sent.size(), 0u);
  EXPECT_LE(wire.sent.size(), 32u);
  for (int i = 0; i < 10; ++i) flush();
  EXPECT_EQ(wire.sent.size(), kConnections);
  wire.sent.clear();
}

// The send buffer

class SendBuffer : public TcpTest {
 protected:
  void SetUp() override {
    TcpTest::SetUp();
    config.send_buffer = 20'000;
    config.send_buffer_max = 100'000;
  }
  // A window that lets everything leave at once.
  void open_window() {
    accept(
        {.flags = SYN, .seq = 0, .window = 65535, .mss = 1460, .scale = 7, .sack_permitted = true});
    uint32_t at = 1;
    for (int round = 0; round < 6; ++round) {
      write(owner.connection->congestion_window());
      while (!wire.sent.empty()) {
        at = wire.sent.back().header.seq - stack_isn +
             static_cast<uint32_t>(wire.sent.back().data.size());
        wire.sent.clear();
        after(100us);
        send({.seq = 1, .ack = at, .window = 65535});
      }
    }
    ASSERT_GT(owner.connection->congestion_window(), 2 * config.send_buffer_max);
  }
  // Writes what the connection takes; returns how much that was.
  size_t write_all() {
    size_t n = 0;
    while (const size_t space = owner.connection->send_space()) {
      write_later(std::min<size_t>(space, 1'000));
      n += std::min<size_t>(space, 1'000);
    }
    flush();
    wire.sent.clear();
    return n;
  }
};

TEST_F(SendBuffer, grows_to_its_maximum_while_memory_is_plentiful) {
  open_window();
  ASSERT_GT(memory.plenty(), 200u);
  EXPECT_EQ(write_all(), config.send_buffer_max);
}

TEST_F(SendBuffer, does_not_grow_while_half_of_the_memory_is_taken) {
  open_window();
  std::vector<buf::Slice> taken;
  while (memory.hold().available() > memory.hold().size() / 2)
    taken.push_back(memory.hold().alloc());
  flush();
  EXPECT_EQ(write_all(), config.send_buffer);
}

TEST_F(SendBuffer, grows_by_what_is_left_of_half_of_the_memory) {
  open_window();
  std::vector<buf::Slice> taken;
  while (memory.hold().available() > memory.hold().size() / 2 + 50)
    taken.push_back(memory.hold().alloc());
  flush();
  const size_t n = write_all();
  EXPECT_GT(n, config.send_buffer + 40u * 1024);
  EXPECT_LE(n, config.send_buffer + 50u * 1024);
}

TEST_F(SendBuffer, of_a_path_that_takes_little_at_a_time_holds_little) {
  config.send_buffer_max = 16 * 1024 * 1024;
  accept();
  EXPECT_LE(write_all(), 10 * 1460u + tcp::Connection::kUnsentAhead);
}

TEST_F(SendBuffer, what_waits_for_the_end_of_the_turn_waits_for_no_window) {
  accept();
  after(10s);
  write_later(100);
  send_later({.seq = 1, .ack = 1, .data = "x"});
  flush();
  expect({.seq = 1, .ack = 2, .length = 100});
  EXPECT_EQ(counters.tiny_windows.get(), 0u);
  after(10ms);
  EXPECT_EQ(counters.window_probes.get(), 0u);
}

class Source : public tcp::User {
 public:
  explicit Source(Host& h) : host_(h) {}
  void on_established(tcp::Connection& c) override { write(c); }
  void on_data(tcp::Connection&, buf::Slice) override {}
  void on_end_of_data(tcp::Connection&) override {}
  void on_writable(tcp::Connection& c) override { write(c); }
  void on_closed(tcp::Connection&, tcp::CloseReason) override {}

 private:
  void write(tcp::Connection& c) {
    static const uint8_t block[4000]{};
    while (c.send_space() > 0 && c.send_queue().append_copy(block, host_.memory.hold())) {
    }
    c.push();
  }
  Host& host_;
};

class Sink : public tcp::User, public tcp::Acceptor {
 public:
  tcp::User* on_accept(tcp::Connection&) override { return this; }
  void on_established(tcp::Connection&) override {}
  void on_data(tcp::Connection& c, buf::Slice d) override {
    received += d.size();
    c.consumed(d.size());
  }
  void on_end_of_data(tcp::Connection&) override {}
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason) override {}
  uint64_t received = 0;
};

// Mbit/s of 100 MB over an undisturbed line of 1 Gbit/s.
double long_path(Duration round_trip, uint32_t send_buffer_max, rte_mempool* rx,
                 rte_mempool* hold) {
  LinkModel m;
  m.delay = round_trip / 2;
  m.rate = 125'000'000;
  m.queue = 4096;
  tcp::Config config;
  config.receive_buffer_max = 64 * 1024 * 1024;
  config.send_buffer_max = send_buffer_max;
  World w(1, m, config, rx, hold);
  Source source(*w.hosts[0]);
  Sink sink;
  const Endpoint server{Address::v4(0xc6120002u), 50051};
  w.hosts[1]->stack.listen(server, &sink);
  w.hosts[0]->stack.connect({}, server, &source, w.now);
  w.hosts[0]->stack.flush(w.now);
  constexpr uint64_t kBytes = 100'000'000;
  const Time begin = w.now;
  while (sink.received < kBytes && w.now - begin < 600s && w.step()) {
  }
  EXPECT_GE(sink.received, kBytes);
  return static_cast<double>(sink.received) * 8e-6 /
         std::chrono::duration<double>(w.now - begin).count();
}

TEST(LongPath, a_send_buffer_that_grows_uses_it) {
  rte_mempool* rx = buf::make_pool("long_rx", 4095, 2048 + 128, -1);
  rte_mempool* hold = buf::make_pool("long_hold", 49'151, 2048 + 128, -1);
  for (const auto& [round_trip, times] : {std::pair{100ms, 3.0}, {300ms, 3.0}}) {
    const double fixed = long_path(round_trip, 1 << 20, rx, hold);
    const double grown = long_path(round_trip, tcp::Config{}.send_buffer_max, rx, hold);
    std::printf("1 Gbit/s, %3d ms: %4.0f Mbit/s with 1 MiB, %4.0f with a buffer that grows\n",
                static_cast<int>(round_trip.count()), fixed, grown);
    EXPECT_GT(grown, times * fixed);
  }
  buf::free_pool(rx);
  buf::free_pool(hold);
}

}  // namespace
}  // namespace sluice::test
