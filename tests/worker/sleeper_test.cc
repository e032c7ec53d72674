#include "worker/sleeper.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <thread>

#include "worker/whereabouts.h"

namespace sluice::worker {
namespace {

using Clock = std::chrono::steady_clock;

class SleeperTest : public testing::Test {
 protected:
  SleeperTest() { EXPECT_EQ(::pipe(ends.data()), 0); }
  ~SleeperTest() override {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  // The shortest of many sleeps, which a busy machine does not stretch.
  static Duration shortest(const std::function<void()>& sleep) {
    Duration least = 1h;
    for (int i = 0; i < 20; ++i) {
      const auto begin = Clock::now();
      sleep();
      least = std::min<Duration>(least, Clock::now() - begin);
    }
    return least;
  }

  std::array<int, 2> ends{};
};

TEST_F(SleeperTest, sleeps_as_long_as_it_is_told_and_10_ms_at_most) {
  Sleeper sleeper({ends[0]});
  EXPECT_GE(shortest([&] { sleeper.sleep(2ms); }), 2ms);
  EXPECT_GE(shortest([&] { sleeper.sleep(Duration::max()); }), Sleeper::kLongest);
  EXPECT_LT(shortest([&] { sleeper.sleep(1h); }), 1s);
  EXPECT_LT(shortest([&] { sleeper.sleep(-1s); }), 1ms) << "the next timer is due";
}

TEST_F(SleeperTest, does_not_sleep_while_a_frame_waits) {
  Sleeper sleeper({ends[0]});
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  EXPECT_LT(shortest([&] { sleeper.sleep(10ms); }), 5ms);
}

TEST_F(SleeperTest, an_eventfd_of_a_port_ends_one_sleep_with_each_write) {
  const int event = ::eventfd(0, EFD_NONBLOCK);
  Sleeper sleeper({event});
  EXPECT_LT(shortest([&] {
              ASSERT_EQ(::eventfd_write(event, 1), 0);
              sleeper.sleep(10ms);
            }),
            5ms);
  EXPECT_GE(shortest([&] { sleeper.sleep(2ms); }), 2ms) << "nobody reads it";
  ::close(event);
}

TEST_F(SleeperTest, wakes_when_another_thread_says_so) {
  Sleeper sleeper({ends[0]});
  EXPECT_LT(shortest([&] {
              sleeper.announce();
              sleeper.wake();
              sleeper.sleep(10ms);
            }),
            5ms);
  EXPECT_FALSE(sleeper.announced());
  EXPECT_GE(shortest([&] { sleeper.sleep(2ms); }), 2ms) << "one wake ends one sleep";
}

TEST_F(SleeperTest, a_worker_that_does_not_sleep_is_not_woken) {
  Sleeper sleeper({ends[0]});
  sleeper.announce();
  sleeper.cancel();
  sleeper.wake();
  EXPECT_GE(shortest([&] { sleeper.sleep(2ms); }), 2ms);
}

TEST_F(SleeperTest, ports_may_share_a_descriptor) {
  Sleeper sleeper({ends[0], ends[0]});
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  EXPECT_LT(shortest([&] { sleeper.sleep(10ms); }), 5ms);
}

TEST_F(SleeperTest, naps_where_a_port_has_no_descriptor) {
  Sleeper::begin_thread();
  Sleeper sleeper({ends[0], -1});
  const Duration nap = shortest([&] { sleeper.sleep(10ms); });
  EXPECT_GE(nap, Sleeper::kNap);
  EXPECT_LT(nap, 1ms);
}

TEST(Whereabouts, names_the_code_that_another_thread_is_in) {
  prepare_whereabouts();
  std::atomic<int> id{0};
  std::atomic<bool> end{false};
  std::thread thread([&] {
    id = ::gettid();
    while (!end) {
    }
  });
  while (id == 0) {
  }
  std::string text;
  for (int i = 0; i < 100 && text.find("+0x") == std::string::npos; ++i) text = whereabouts(id);
  EXPECT_NE(text.find("worker_test+0x"), std::string::npos) << text;
  end = true;
  thread.join();
}

}  // namespace
}  // namespace sluice::worker
