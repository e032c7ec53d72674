#include <gtest/gtest.h>

#include <string>

#include "sluicectl/client.h"
#include "sluicectl/text.h"

namespace sluice::admin {
namespace {

TEST(Sluicectl, says_what_is_wrong_when_nobody_answers) {
  try {
    sluicectl::ask("/nonexistent/sluiced.sock", "pods");
    FAIL();
  } catch (const sluicectl::Error& e) {
    EXPECT_NE(std::string(e.what()).find("is sluiced running"), std::string::npos);
  }
}

TEST(Text, lines_are_cut_to_the_terminal) {
  EXPECT_EQ(sluicectl::cut("abcdef\nab\n", 4), "abc>\nab\n");
  EXPECT_EQ(sluicectl::cut("abcdef\n", 0), "abcdef\n");
  EXPECT_EQ(sluicectl::cut("abcd", 4), "abcd");
}

TEST(Text, numbers_are_written_for_people) {
  EXPECT_EQ(sluicectl::count(0), "0");
  EXPECT_EQ(sluicectl::count(999), "999");
  EXPECT_EQ(sluicectl::count(1234567), "1,234,567");
  EXPECT_EQ(sluicectl::bytes(1536), "1.5 KiB");
  EXPECT_EQ(sluicectl::micros(0), "-");
  EXPECT_EQ(sluicectl::micros(850), "850 us");
  EXPECT_EQ(sluicectl::micros(12'300), "12.3 ms");
  EXPECT_EQ(sluicectl::share(0.123), "12.3 %");
  EXPECT_EQ(sluicectl::seconds(11'220), "3 h 07 min");
}

}  // namespace
}  // namespace sluice::admin
