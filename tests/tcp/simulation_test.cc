// Two stacks over a bad link, thousands of seeds: every byte once and in order, every connection
// ends, no buffer is left behind. A failing seed prints the command that replays it with a trace:
//   SLUICE_SEED=n tcp_test --gtest_filter=Simulation.*

#include <gtest/gtest.h>

#include <cstdlib>

#include "simulated_link.h"

namespace sluice::test {
namespace {

uint8_t byte_at(uint64_t salt, uint64_t position) {
  return static_cast<uint8_t>(mix64(salt + position / 8) >> (position % 8 * 8));
}

// Sends `total` bytes, checks what it receives, closes when it is done.
class Peer : public tcp::User, public tcp::Acceptor {
 public:
  Peer(World& world, int host, uint64_t salt_out, uint64_t salt_in, uint64_t total)
      : world_(world),
        host_(*world.hosts[host]),
        salt_out_(salt_out),
        salt_in_(salt_in),
        total_(total) {}

  tcp::User* on_accept(tcp::Connection& c) override {
    begin(c);
    return this;
  }
  void on_established(tcp::Connection& c) override { begin(c); }
  void on_data(tcp::Connection& c, buf::Slice data) override {
    for (uint8_t b : data.view())
      if (b != byte_at(salt_in_, received++)) wrong = true;
    const uint32_t n = data.size();
    if (slow_ && world_.random.chance(0.3)) {
      // A reader that takes its time: the window shuts and opens.
      world_.at(world_.now + Duration(static_cast<int64_t>(world_.random.below(50'000'000))),
                [this, n] {
                  if (c_ != nullptr) c_->consumed(n);
                });
    } else {
      c.consumed(n);
    }
  }
  void on_end_of_data(tcp::Connection&) override { end_of_data = true; }
  void on_writable(tcp::Connection&) override { write(); }
  void on_closed(tcp::Connection&, tcp::CloseReason r) override {
    c_ = nullptr;
    closed = true;
    reason = r;
  }
  void set_slow() { slow_ = true; }

  uint64_t received = 0;
  bool wrong = false;
  bool end_of_data = false;
  bool closed = false;
  tcp::CloseReason reason{};

 private:
  void begin(tcp::Connection& c) {
    c_ = &c;
    write();
  }
  void write() {
    uint8_t chunk[4096];
    while (sent_ < total_ && c_->send_space() > 0) {
      const uint64_t limit = std::min<uint64_t>(total_ - sent_, c_->send_space());
      const size_t n = 1 + world_.random.below(std::min<uint64_t>(limit, sizeof chunk));
      for (size_t i = 0; i < n; ++i) chunk[i] = byte_at(salt_out_, sent_ + i);
      if (!c_->send_queue().append_copy({chunk, n}, host_.memory.hold())) {
        world_.at(world_.now + 5ms, [this] {
          if (c_ != nullptr) write();
        });
        break;
      }
      sent_ += n;
    }
    c_->push();
    if (sent_ == total_) c_->close();
  }

  World& world_;
  Host& host_;
  uint64_t salt_out_, salt_in_, total_, sent_ = 0;
  tcp::Connection* c_ = nullptr;
  bool slow_ = false;
};

#ifdef SLUICE_ASAN
constexpr uint64_t kSeeds = 1'000;  // ten times slower
#else
constexpr uint64_t kSeeds = 10'000;
#endif

class Simulation : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    rx_ = buf::make_pool("sim_rx", 8191, 2048 + 128, -1);
    hold_ = buf::make_pool("sim_hold", 8191, 2048 + 128, -1);
  }
  void run(uint64_t seed, bool trace) {
    Random r(seed);
    LinkModel m;
    const double bad = r.below(4) == 0 ? 0 : 0.15 * r.uniform();
    m.loss = r.chance(0.5) ? bad : 0;
    m.duplicate = r.chance(0.3) ? 0.1 * r.uniform() : 0;
    m.reorder = r.chance(0.4) ? 0.3 * r.uniform() : 0;
    m.corrupt = r.chance(0.2) ? 0.02 : 0;
    m.burst_loss = r.chance(0.2) ? 0.01 : 0;
    m.delay =
        Duration(static_cast<int64_t>(10'000 + r.below(r.chance(0.5) ? 100'000 : 60'000'000)));
    m.reorder_delay = m.delay * 2 + 1us;
    m.jitter = r.chance(0.3) ? m.delay / 4 : Duration{};
    m.rate = r.chance(0.3) ? 200'000 + r.below(20'000'000) : 0;
    m.queue = 10 + r.below(200);
    m.tso = r.chance(0.3) ? 65'000 : 0;
    m.mark = r.chance(0.3) ? 0.05 * r.uniform() : 0;
    m.no_memory = r.chance(0.1) ? 0.05 : 0;
    m.lro =
        Random(seed + 1'000'000).chance(0.3);  // of its own, so that older seeds keep their draws
    tcp::Config config;
    config.connect_timeout = 120s;
    config.syn_ack_retries = 8;
    config.user_timeout = config.closing_timeout = 600s;
    config.max_rto = 10s;
    config.fin_wait_2 = 1000s;
    config.keepalive_probes = 20;
    config.mtu_search_interval = 3s;
    config.receive_buffer = static_cast<uint32_t>(4096 + r.below(256 * 1024));
    config.send_buffer = static_cast<uint32_t>(4096 + r.below(512 * 1024));
    config.send_buffer_max = config.send_buffer;
    const uint64_t a_bytes = r.chance(0.1) ? 0 : r.below(r.chance(0.2) ? 1'000'000 : 60'000);
    const uint64_t b_bytes = r.chance(0.1) ? 0 : r.below(r.chance(0.2) ? 1'000'000 : 60'000);

    const uint32_t rx_free = rte_mempool_avail_count(rx_);
    const uint32_t hold_free = rte_mempool_avail_count(hold_);
    {
      World w(seed, m, config, rx_, hold_);
      w.trace = trace;
      Peer a(w, 0, seed, seed ^ 0xffff, a_bytes);
      Peer b(w, 1, seed ^ 0xffff, seed, b_bytes);
      if (r.chance(0.3)) a.set_slow();
      if (r.chance(0.3)) b.set_slow();
      const Endpoint server{Address::v4(0xc6120002u), 50051};
      ASSERT_TRUE(w.hosts[1]->stack.listen(server, &b));
      ASSERT_NE(w.hosts[0]->stack.connect({}, server, &a, w.now), nullptr);
      for (auto& h : w.hosts) h->stack.flush(w.now);
      if (r.chance(0.15)) {
        w.at(w.now + 3 * m.delay, [&w] { w.path_limit = 800; });
      } else if (r.chance(0.15)) {
        // A black hole, which heals after a while, or not.
        const bool heals = r.chance(0.5);
        w.path_reports = false;
        w.at(w.now + 3 * m.delay, [&w] { w.path_limit = 1100; });
        if (heals) w.at(w.now + 3 * m.delay + 5s, [&w] { w.path_limit = 65'535; });
      }
      const Time limit = w.now + 3600s;
      size_t steps = 0;
      while (w.now < limit && !(a.closed && b.closed) && ++steps < 400'000 && w.step()) {
      }
      EXPECT_TRUE(a.closed && b.closed)
          << "stuck at " << std::chrono::duration<double>(w.now.time_since_epoch()).count()
          << " s after " << steps << " steps; a received " << a.received << " of " << b_bytes
          << ", b " << b.received << " of " << a_bytes;
      EXPECT_FALSE(a.wrong || b.wrong);
      if (a.closed && b.closed) {
        EXPECT_EQ(static_cast<int>(a.reason), 0);
        EXPECT_EQ(static_cast<int>(b.reason), 0);
        EXPECT_EQ(a.received, b_bytes);
        EXPECT_EQ(b.received, a_bytes);
        w.run_for(config.time_wait + 130s);
        for (auto& h : w.hosts) {
          EXPECT_EQ(h->stack.connections(), 0u);
          EXPECT_EQ(h->stack.half_open(), 0u);
          EXPECT_EQ(h->stack.time_wait(), 0u);
        }
      }
    }
    EXPECT_EQ(rte_mempool_avail_count(rx_), rx_free);
    EXPECT_EQ(rte_mempool_avail_count(hold_), hold_free);
  }

  static rte_mempool* rx_;
  static rte_mempool* hold_;
};
rte_mempool* Simulation::rx_ = nullptr;
rte_mempool* Simulation::hold_ = nullptr;

TEST_F(Simulation, bytes_arrive_once_and_in_order_and_every_connection_ends) {
  if (const char* seed = std::getenv("SLUICE_SEED")) {
    run(std::strtoull(seed, nullptr, 10), true);
    return;
  }
  uint64_t seeds = kSeeds;
  if (const char* n = std::getenv("SLUICE_SEEDS")) seeds = std::strtoull(n, nullptr, 10);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    run(seed, false);
    if (HasFailure()) {
      ADD_FAILURE() << "replay: SLUICE_SEED=" << seed << " tcp_test --gtest_filter='Simulation.*'";
      break;
    }
  }
}

}  // namespace
}  // namespace sluice::test
