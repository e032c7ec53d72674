// The flow-control window of a connection, from both sides.

#include <gtest/gtest.h>

#include "http2/connection_receive_window.h"
#include "http2/connection_send_window.h"
#include "http2/stream.h"

namespace sluice::http2 {
namespace {

TEST(ConnectionReceiveWindow, a_peer_may_use_the_first_65535_bytes_and_not_one_more) {
  ConnectionReceiveWindow window(kDefaultWindow);
  EXPECT_EQ(window.begin(), 0u);
  EXPECT_TRUE(window.receive(kDefaultWindow));
  EXPECT_FALSE(window.receive(1));
}

TEST(ConnectionReceiveWindow, a_larger_window_is_announced_at_the_begin) {
  ConnectionReceiveWindow window(100'000);
  EXPECT_EQ(window.begin(), 100'000 - kDefaultWindow);
  EXPECT_TRUE(window.receive(100'000));
  EXPECT_FALSE(window.receive(1));
}

TEST(ConnectionReceiveWindow, credit_is_announced_by_halves) {
  ConnectionReceiveWindow window(100'000);
  window.begin();
  EXPECT_TRUE(window.receive(60'000));
  EXPECT_EQ(window.credit(49'999), 0u);
  EXPECT_EQ(window.credit(1), 50'000u);
  EXPECT_EQ(window.credit(10'000), 0u);
  EXPECT_TRUE(window.receive(90'000));
  EXPECT_FALSE(window.receive(1));
}

TEST(ConnectionReceiveWindow, growth_is_announced_once_and_nothing_shrinks) {
  ConnectionReceiveWindow window(100'000);
  window.begin();
  EXPECT_EQ(window.grow(150'000), 50'000u);
  EXPECT_EQ(window.grow(150'000), 0u);
  EXPECT_EQ(window.grow(1'000), 0u);
  EXPECT_TRUE(window.receive(150'000));
}

TEST(ConnectionSendWindow, begins_with_65535_bytes_whatever_the_peer_announces_for_streams) {
  ConnectionSendWindow window(false);
  EXPECT_EQ(window.left(), int64_t{kDefaultWindow});
  window.use(kDefaultWindow);
  EXPECT_EQ(window.left(), 0);
  EXPECT_TRUE(window.open(10));
  EXPECT_EQ(window.left(), 10);
}

TEST(ConnectionSendWindow, more_than_the_largest_window_is_too_much) {
  ConnectionSendWindow window(false);
  EXPECT_TRUE(window.open(kMaxWindow - kDefaultWindow));
  EXPECT_FALSE(window.open(1));
}

TEST(ConnectionSendWindow, credit_up_to_what_was_used_gives_back_and_more_does_not) {
  ConnectionSendWindow window(true);
  window.use(1'000);
  EXPECT_TRUE(window.gives_back(1'000));
  EXPECT_FALSE(window.gives_back(1'001));
}

TEST(ConnectionSendWindow, of_a_shared_one_less_than_half_is_scarce) {
  ConnectionSendWindow window(true);
  window.use(kDefaultWindow / 2);
  EXPECT_FALSE(window.scarce());
  window.use(2);
  EXPECT_TRUE(window.scarce());
}

TEST(ConnectionSendWindow, one_that_nobody_shares_is_never_scarce) {
  ConnectionSendWindow window(false);
  window.use(kDefaultWindow);
  EXPECT_FALSE(window.scarce());
  EXPECT_TRUE(window.open(1));
  EXPECT_FALSE(window.scarce());
}

TEST(ConnectionSendWindow, shares_end_well_above_where_they_begin) {
  ConnectionSendWindow window(true);
  const Stream stream;
  window.use(kDefaultWindow - 5'000);
  EXPECT_EQ(window.room(stream), 5'000);
  window.begin_shares();
  EXPECT_TRUE(window.scarce());
  EXPECT_EQ(window.room(stream), 5'000) << "a stream that nobody pays for has no share";
  EXPECT_TRUE(window.open(kDefaultWindow / 2));
  EXPECT_FALSE(window.ample());
  EXPECT_TRUE(window.scarce());
  EXPECT_TRUE(window.open(kDefaultWindow / 4));
  EXPECT_TRUE(window.ample());
  window.end_shares();
  EXPECT_EQ(window.shares(), nullptr);
  EXPECT_FALSE(window.scarce());
}

}  // namespace
}  // namespace sluice::http2
