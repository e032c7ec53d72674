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
#include <vector>

#include "simulated_flow.h"

namespace sluice::test {
namespace {

// Megabits a second of so many bytes, mean of a few seeds.
double goodput(const LinkModel& model, uint64_t bytes) {
  constexpr int kSeeds = 5;
  double seconds = 0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    Flow f(model, static_cast<uint64_t>(seed), bytes);
    const Time begin = f.world.now;
    EXPECT_TRUE(f.run_until_received(bytes));
    seconds += std::chrono::duration<double>(f.world.now - begin).count();
  }
  return static_cast<double>(bytes) * 8e-6 * kSeeds / seconds;
}

std::string table_path() {
  return std::string(__FILE__).substr(0, std::string(__FILE__).rfind('/')) + "/goodput.txt";
}

struct Cell {
  std::string name;
  LinkModel model;
  uint64_t bytes;
};

template <class... Args>
std::string print(const char* format, Args... args) {
  char text[100];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

std::vector<Cell> cells() {
  constexpr uint64_t kBytes = 10'000'000;
  std::vector<Cell> all;
  LinkModel m;
  m.rate = 12'500'000;
  for (double loss : {0.0, 0.001, 0.01, 0.05}) {
    for (int delay : {0, 1, 10, 50}) {
      for (double reorder : {0.0, 0.05}) {
        m.loss = loss;
        m.delay = delay == 0 ? Duration(50us) : Duration(1ms) * delay;
        m.reorder = reorder;
        all.push_back({print("loss %5.1f %%  delay %2d ms  reordered %3.0f %%", loss * 100, delay,
                             reorder * 100),
                       m, kBytes});
      }
    }
  }
  m.reorder = 0;
  // Long paths, quiet ones with rare loss among them, with a queue that takes a whole window.
  m.queue = 2000;
  for (double loss : {0.0, 0.0001, 0.0005, 0.01}) {
    for (int round_trip : {150, 200, 300}) {
      m.loss = loss;
      m.delay = Duration(1ms) * round_trip / 2;
      all.push_back({print("long path: loss %5.2f %%  round trip %3d ms", loss * 100, round_trip),
                     m, loss < 0.01 ? 2 * kBytes : kBytes / 4});
    }
  }
  // A sender that hears its ACKs in bursts, on a line of 25 Gbit/s and on one of 100 Mbit/s.
  m.loss = 0;
  m.delay = Duration(25us);
  m.rate = 3'125'000'000;
  for (int turn : {0, 10, 25, 50}) {
    m.turn = Duration(1us) * turn;
    all.push_back(
        {print("25 Gbit/s, round trip 50 us, ACKs in bursts each %2d us", turn), m, 10 * kBytes});
  }
  m.rate = 12'500'000;
  m.delay = 10ms;
  for (int turn : {5, 20}) {
    m.turn = Duration(1ms) * turn;
    all.push_back(
        {print("100 Mbit/s, round trip 20 ms, ACKs in bursts each %2d ms", turn), m, kBytes});
  }
  m.turn = 2ms;
  m.rate = 37'500'000;
  m.delay = 5ms;
  m.reorder = 0.05;
  all.push_back(
      {"300 Mbit/s, round trip 10 ms, reordered 5 %, ACKs in bursts each 2 ms", m, 2 * kBytes});
  return all;
}

TEST(Goodput, over_loss_delay_and_reordering_is_what_it_was) {
  std::map<std::string, double> now;
  std::string text =
      "# Mbit/s of 10 MB over a link of 100 Mbit/s: loss, one-way delay, reordering (3 ms);\n"
      "# then long paths, and senders that hear of many segments at once\n";
  for (const Cell& cell : cells()) {
    now[cell.name] = goodput(cell.model, cell.bytes);
    text += print("%s  %6.2f\n", cell.name.c_str(), now[cell.name]);
  }
  if (std::getenv("SLUICE_GOODPUT") != nullptr) {
    std::ofstream(table_path()) << text;
    return;
  }
  std::ifstream stored(table_path());
  ASSERT_TRUE(stored) << table_path();
  std::string line;
  size_t compared = 0;
  while (std::getline(stored, line)) {
    if (line.empty() || line[0] == '#') continue;
    const auto gap = line.find_last_of(' ');
    const double before = std::atof(line.c_str() + gap);
    std::string cell = line.substr(0, line.find_last_not_of(' ', gap) + 1);
    ASSERT_TRUE(now.count(cell)) << cell;
    EXPECT_NEAR(now[cell], before, before * 0.05 + 0.02) << cell;
    ++compared;
  }
  EXPECT_EQ(compared, now.size());
}

}  // namespace
}  // namespace sluice::test
