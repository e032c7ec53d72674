#include "http2/waiting_resets.h"

#include <vector>

#include <gtest/gtest.h>

namespace sluice::http2 {
namespace {

struct WaitingResetsTest : testing::Test {
  WaitingResetsTest() {
    for (const uint32_t stream : {1u, 3u, 5u}) resets.add(stream, ErrorCode::kCancel, stream == 3);
  }
  // The streams of the frames that are sent when `budget` may be.
  std::vector<uint32_t> release(int budget) {
    std::vector<uint32_t> sent;
    resets.release([&] { return budget-- > 0; },
                   [&](uint32_t stream, ErrorCode) { sent.push_back(stream); });
    return sent;
  }
  WaitingResets resets;
};

TEST_F(WaitingResetsTest, the_oldest_leave_first_and_the_others_wait_on) {
  EXPECT_EQ(release(2), (std::vector<uint32_t>{1, 3}));
  EXPECT_EQ(resets.size(), 1u);
  EXPECT_EQ(release(9), std::vector<uint32_t>{5});
  EXPECT_TRUE(resets.empty());
  EXPECT_TRUE(release(9).empty());
}

TEST_F(WaitingResetsTest, a_stream_that_the_peer_has_ended_wholly_needs_no_reset) {
  EXPECT_TRUE(resets.ended_by_peer(1, true));
  EXPECT_FALSE(resets.ended_by_peer(1, true));
  EXPECT_EQ(release(9), (std::vector<uint32_t>{3, 5}));
}

TEST_F(WaitingResetsTest, the_peers_end_of_its_side_suffices_where_ours_had_ended) {
  EXPECT_FALSE(resets.ended_by_peer(1, false));
  EXPECT_TRUE(resets.ended_by_peer(3, false));
  EXPECT_EQ(release(9), (std::vector<uint32_t>{1, 5}));
}

}  // namespace
}  // namespace sluice::http2
