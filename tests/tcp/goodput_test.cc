// Goodput over loss, delay and reordering, in virtual time: one line a cell, compared with the
// stored table, so that a change in congestion control shows as a difference in text. To accept a
// new table: SLUICE_GOODPUT=write tcp_test --gtest_filter='Goodput.*'

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

#include "simulated_link.h"

namespace sluice::test {
namespace {

class Sender : public tcp::User {
 public:
  Sender(Host& h, uint64_t total) : host_(h), left_(total) {}
  void on_established(tcp::Connection& c) override { write(c); }
  void on_data(tcp::Connection&, buf::Slice) override {}
  void on_end_of_data(tcp::Connection&) override {}
  void on_writable(tcp::Connection& c) override { write(c); }
  void on_closed(tcp::Connection&, tcp::CloseReason) override {}

 private:
  void write(tcp::Connection& c) {
    static const uint8_t block[1000]{};
    while (left_ > 0 && c.send_space() > 0 &&
           c.send_queue().append_copy({block, std::min<uint64_t>(left_, sizeof block)},
                                      host_.memory.hold()))
      left_ -= std::min<uint64_t>(left_, sizeof block);
    c.push();
  }
  Host& host_;
  uint64_t left_;
};

class Receiver : public tcp::User, public tcp::Acceptor {
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

// Megabits a second over a link of 100 Mbit/s with a queue of 256 segments, mean of a few seeds.
double goodput(const LinkModel& model) {
  static rte_mempool* rx = buf::make_pool("goodput_rx", 4095, 2048 + 128, -1);
  static rte_mempool* hold = buf::make_pool("goodput_hold", 4095, 2048 + 128, -1);
  constexpr uint64_t kBytes = 10'000'000;
  constexpr int kSeeds = 5;
  double seconds = 0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    World w(static_cast<uint64_t>(seed), model, tcp::Config{}, rx, hold);
    Sender sender(*w.hosts[0], kBytes);
    Receiver receiver;
    const Endpoint server{Address::v4(0xc6120002u), 50051};
    w.hosts[1]->stack.listen(server, &receiver);
    w.hosts[0]->stack.connect({}, server, &sender, w.now);
    w.hosts[0]->stack.flush(w.now);
    const Time begin = w.now;
    while (receiver.received < kBytes && w.now - begin < 3600s && w.step()) {
    }
    EXPECT_EQ(receiver.received, kBytes);
    seconds += std::chrono::duration<double>(w.now - begin).count();
  }
  return kBytes * 8e-6 * kSeeds / seconds;
}

std::string table_path() {
  return std::string(__FILE__).substr(0, std::string(__FILE__).rfind('/')) + "/goodput.txt";
}

TEST(Goodput, over_loss_delay_and_reordering_is_what_it_was) {
  std::map<std::string, double> now;
  std::string text =
      "# Mbit/s of 10 MB over a link of 100 Mbit/s: loss, one-way delay, reordering (3 ms)\n";
  for (double loss : {0.0, 0.001, 0.01, 0.05}) {
    for (int delay : {0, 1, 10, 50}) {
      for (double reorder : {0.0, 0.05}) {
        LinkModel m;
        m.loss = loss;
        m.delay = delay == 0 ? Duration(50us) : Duration(1ms) * delay;
        m.reorder = reorder;
        m.rate = 12'500'000;
        const double mbit = goodput(m);
        char cell[80], line[100];
        std::snprintf(cell, sizeof cell, "loss %5.1f %%  delay %2d ms  reordered %3.0f %%",
                      loss * 100, delay, reorder * 100);
        std::snprintf(line, sizeof line, "%s  %6.2f\n", cell, mbit);
        text += line;
        now[cell] = mbit;
      }
    }
  }
  if (std::getenv("SLUICE_GOODPUT") != nullptr) {
    std::ofstream(table_path()) << text;
    return;
  }
  std::ifstream stored(table_path());
  ASSERT_TRUE(stored) << table_path();
  std::string line;
  size_t cells = 0;
  while (std::getline(stored, line)) {
    if (line.empty() || line[0] == '#') continue;
    const auto gap = line.find_last_of(' ');
    const double before = std::atof(line.c_str() + gap);
    std::string cell = line.substr(0, line.find_last_not_of(' ', gap) + 1);
    ASSERT_TRUE(now.count(cell)) << cell;
    EXPECT_NEAR(now[cell], before, before * 0.05 + 0.02) << cell;
    ++cells;
  }
  EXPECT_EQ(cells, now.size());
}

}  // namespace
}  // namespace sluice::test
