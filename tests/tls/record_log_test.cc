// Positions of records, and the records that are kept for them.

#include "tls/record_log.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::test {
namespace {

TEST(RecordLog, forgets_what_is_acknowledged_though_nobody_asks) {
  tls::RecordLog log;
  size_t most = 0;
  for (uint64_t i = 0; i < 100'000; ++i) {
    log.add((i + 1) * 100, i * 122, (i + 1) * 122, i * 122);
    most = std::max(most, log.size());
  }
  EXPECT_LE(most, 200u);
  EXPECT_EQ(log.acknowledged(100'000 * 122), 100'000u * 100);
}

TEST(RecordLog, keeps_what_is_not_acknowledged) {
  tls::RecordLog log;
  for (uint64_t i = 0; i < 1'000; ++i) log.add((i + 1) * 100, i * 122, (i + 1) * 122, 0);
  EXPECT_EQ(log.size(), 1'000u);
  EXPECT_EQ(log.acknowledged(500 * 122), 500u * 100);
  EXPECT_EQ(log.transmitted(500 * 122 + 1), 501u * 100);
}

}  // namespace
}  // namespace sluice::test
