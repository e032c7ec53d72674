#include "loader/units.h"

#include <gtest/gtest.h>

namespace sluice::loader {
namespace {

TEST(Durations, are_a_whole_number_and_a_unit) {
  EXPECT_EQ(parse_duration("0s"), Duration(0s));
  EXPECT_EQ(parse_duration("250us"), Duration(250us));
  EXPECT_EQ(parse_duration("100ms"), Duration(100ms));
  EXPECT_EQ(parse_duration("5s"), Duration(5s));
  EXPECT_EQ(parse_duration("2m"), Duration(2min));
  EXPECT_EQ(parse_duration("1h"), Duration(1h));
}

TEST(Durations, anything_else_is_refused) {
  for (const char* text : {"", "5", "s", "-1s", "+1s", "1.5s", "1 s", "5S", "5sec", "1s ", "-0s",
                           "99999999999999999999s", "9223372036854775807h"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

}  // namespace
}  // namespace sluice::loader
