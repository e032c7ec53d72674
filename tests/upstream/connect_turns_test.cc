#include "upstream/connect_turns.h"

#include <deque>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::upstream {
namespace {

using Kind = ConnectTurns::Kind;

constexpr uint32_t kFirstWindow = ConnectTurns::kWindow[0];
constexpr uint32_t kRetryWindow = ConnectTurns::kWindow[1];

struct ConnectTurnsTest : testing::Test {
  struct Pod : ConnectTurns::Waiter {
    Pod(ConnectTurnsTest& t, int n) : test(t), number(n) {}
    void connect(Kind kind) override {
      test.begun.push_back(number);
      test.flights.emplace_back();
      test.turns.depart(test.flights.back(), kind, test.now);
    }
    ConnectTurnsTest& test;
    int number;
  };

  // A pod of that service waits.
  Pod& wait(size_t service, int number, Kind kind = Kind::kFirst) {
    pods.push_back(std::make_unique<Pod>(*this, number));
    turns.wait(*pods.back(), lines[service], kind);
    return *pods.back();
  }
  void wait_many(size_t service, uint32_t pods_of_it, Kind kind = Kind::kFirst) {
    for (uint32_t i = 0; i < pods_of_it; ++i) wait(service, static_cast<int>(i), kind);
  }
  // Turns of the worker in which no time passes.
  void run(int turns_of_worker = 100) {
    for (int i = 0; i < turns_of_worker; ++i) turns.run(now);
  }

  Time now{std::chrono::hours(1)};
  TimerWheel wheel{now};
  ConnectTurns turns{wheel};
  std::array<ConnectTurns::Lines, 3> lines;
  std::vector<std::unique_ptr<Pod>> pods;
  std::deque<ConnectTurns::Flight> flights;
  std::vector<int> begun;
};

TEST_F(ConnectTurnsTest, one_turn_of_the_worker_begins_a_few_connects_only) {
  wait_many(0, 1'000);
  run(1);
  EXPECT_EQ(begun.size(), ConnectTurns::kInATurn);
  EXPECT_LE(wheel.next(), now + TimerWheel::kTick) << "the worker does not sleep";
}

TEST_F(ConnectTurnsTest, at_most_a_window_of_connects_waits_for_answers) {
  wait_many(0, 1'000);
  run();
  EXPECT_EQ(begun.size(), kFirstWindow);
  flights[0].on_answer(now);
  run();
  EXPECT_EQ(begun.size(), kFirstWindow) << "the pod has not greeted yet";
  flights[0].land();
  flights[5].land();
  run();
  EXPECT_EQ(begun.size(), kFirstWindow + 2);
}

TEST_F(ConnectTurnsTest, a_connect_that_nobody_answers_is_counted_for_a_moment_only) {
  wait_many(0, 1'000);
  run();
  flights[0].on_answer(now);
  EXPECT_LE(wheel.next(), now + ConnectTurns::kAnswerTime + TimerWheel::kTick)
      << "the worker wakes";
  now += ConnectTurns::kAnswerTime;
  run();
  EXPECT_EQ(begun.size(), 2 * kFirstWindow - 1);
  now += ConnectTurns::kGreetingTime;
  run();
  EXPECT_EQ(begun.size(), 3 * kFirstWindow - 1);
}

TEST_F(ConnectTurnsTest, retries_delay_no_first_connect) {
  wait_many(0, 1'000, Kind::kRetry);
  run();
  EXPECT_EQ(begun.size(), kRetryWindow);
  wait(0, -1);
  run(1);
  EXPECT_EQ(begun.back(), -1);
}

TEST_F(ConnectTurnsTest, first_connects_do_not_starve_retries) {
  wait_many(0, 1'000);
  run();
  wait(0, -1, Kind::kRetry);
  run(1);
  EXPECT_EQ(begun.back(), -1);
}

TEST_F(ConnectTurnsTest, services_take_turns) {
  wait_many(0, 1'000);
  run();
  wait(1, -1);
  wait(1, -2);
  wait(2, -3);
  begun.clear();
  for (ConnectTurns::Flight& f : flights) f.land();
  turns.run(now);
  ASSERT_EQ(begun.size(), ConnectTurns::kInATurn);
  EXPECT_EQ(std::vector(begun.begin() + 1, begun.begin() + 3), (std::vector{-1, -3}));
  EXPECT_EQ(begun[4], -2);
}

TEST_F(ConnectTurnsTest, a_pod_that_goes_gives_up_its_turn) {
  wait(0, 1);
  wait(1, 2);
  pods.erase(pods.begin());
  run(1);
  EXPECT_EQ(begun, std::vector{2});
  EXPECT_EQ(turns.under_way(Kind::kFirst), 1u);
}

TEST_F(ConnectTurnsTest, a_connection_that_goes_counts_no_more) {
  wait(0, 1);
  run(1);
  flights.clear();
  EXPECT_EQ(turns.under_way(Kind::kFirst), 0u);
}

}  // namespace
}  // namespace sluice::upstream
