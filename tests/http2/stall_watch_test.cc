#include "http/stall_watch.h"

#include <gtest/gtest.h>

namespace sluice::http2 {
using http::StallWatch;
namespace {

constexpr Duration kLimit = 3 * http::Connection::kWatchPeriod;

TEST(StallWatch, output_of_which_nothing_was_acknowledged_for_the_limit_is_stalled) {
  StallWatch watch;
  EXPECT_FALSE(watch.output_stalled(10, 90, kLimit));  // since the look before, some was
  EXPECT_FALSE(watch.output_stalled(10, 90, kLimit));
  EXPECT_FALSE(watch.output_stalled(10, 90, kLimit));
  EXPECT_TRUE(watch.output_stalled(10, 90, kLimit));
}

TEST(StallWatch, one_acknowledged_byte_begins_the_limit_anew) {
  StallWatch watch;
  for (uint64_t position = 1; position < 20; ++position) {
    EXPECT_FALSE(watch.output_stalled(position, 90, kLimit));
    EXPECT_FALSE(watch.output_stalled(position, 90, kLimit));
  }
}

TEST(StallWatch, without_output_nothing_is_stalled) {
  StallWatch watch;
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(watch.output_stalled(90, 90, kLimit));
}

TEST(StallWatch,
     a_frame_that_does_not_end_within_the_limit_is_stalled_however_many_bytes_of_it_come) {
  StallWatch watch;
  watch.unfinished_begins();
  EXPECT_FALSE(watch.unfinished_stalled(true, kLimit));
  EXPECT_FALSE(watch.unfinished_stalled(true, kLimit));
  EXPECT_TRUE(watch.unfinished_stalled(true, kLimit));
}

TEST(StallWatch, each_look_that_finds_another_unfinished_frame_begins_the_limit_anew) {
  StallWatch watch;
  for (int i = 0; i < 20; ++i) {
    watch.unfinished_begins();
    EXPECT_FALSE(watch.unfinished_stalled(true, kLimit));
  }
  EXPECT_FALSE(watch.unfinished_stalled(false, kLimit));
}

TEST(StallWatch, settings_are_late_after_the_limit_though_the_looks_were_apart) {
  StallWatch watch;
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(watch.settings_late(kLimit));
    watch.settings_missing();
  }
  EXPECT_TRUE(watch.settings_late(kLimit));
}

TEST(StallWatch, a_limit_of_zero_never_ends) {
  StallWatch watch;
  for (int i = 0; i < 1'000; ++i) {
    watch.settings_missing();
    EXPECT_FALSE(watch.output_stalled(0, 90, Duration{}));
    EXPECT_FALSE(watch.unfinished_stalled(true, Duration{}));
    EXPECT_FALSE(watch.settings_late(Duration{}));
  }
}

}  // namespace
}  // namespace sluice::http2
