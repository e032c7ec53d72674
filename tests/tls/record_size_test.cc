// How large the next record may be.

#include <gtest/gtest.h>

#include "tls/record_size.h"

namespace sluice::test {
namespace {

using tls::RecordSize;

TEST(RecordSizeTest, a_burst_begins_in_records_of_one_segment_and_goes_on_in_the_largest) {
  RecordSize size(16'384, true);
  Time now{10s};
  uint32_t small = 0;
  for (; size.next(now) == RecordSize::kSmall; small += RecordSize::kSmall) {
    ASSERT_LT(small, 2 * RecordSize::kBurst);
    size.made(RecordSize::kSmall, now);
  }
  EXPECT_GE(small, RecordSize::kBurst);
  EXPECT_EQ(size.next(now), 16'384u);
  now += RecordSize::kPause - 1ns;
  EXPECT_EQ(size.next(now), 16'384u) << "no pause yet";
  size.made(1, now);
  now += RecordSize::kPause;
  EXPECT_EQ(size.next(now), RecordSize::kSmall);
}

TEST(RecordSizeTest, toward_pods_every_record_may_be_the_largest) {
  RecordSize size(16'384, false);
  EXPECT_EQ(size.next(Time{100s}), 16'384u);
}

}  // namespace
}  // namespace sluice::test
