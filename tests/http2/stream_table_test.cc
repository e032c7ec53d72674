// Which cells of the stream table ids want.

#include "http2/stream_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace sluice::http2 {
namespace {

// How many of `count` ids in such steps want the same cell, at most.
uint32_t most_in_a_cell(const StreamCells& home, uint32_t cells, uint32_t first, uint32_t step,
                        uint32_t count) {
  std::vector<uint32_t> in(cells);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t cell = home(first + i * step);
    if (cell >= cells) return UINT32_MAX;
    ++in[cell];
  }
  return *std::max_element(in.begin(), in.end());
}

TEST(StreamCells, of_consecutive_ids_none_meet_in_a_table_that_is_half_full) {
  std::mt19937 random(1);
  for (uint32_t cells = 16; cells <= 1u << 21; cells *= 2) {
    for (int i = 0; i < (cells <= 1024 ? 200 : 1); ++i) {
      const StreamCells home(static_cast<uint32_t>(random()), cells);
      const uint32_t first = static_cast<uint32_t>(random() >> 2) | 1;
      EXPECT_EQ(most_in_a_cell(home, cells, first, 2, cells / 2), 1u) << cells << " " << first;
    }
  }
}

TEST(StreamCells, of_ids_in_whatever_steps_few_meet_unless_the_seed_is_known) {
  constexpr uint32_t kCells = 256, kStreams = 128;
  std::mt19937 random(1);
  for (uint32_t step = 4; step <= 1u << 24; step *= 2) {
    int bad = 0;
    for (int i = 0; i < 1000; ++i) {
      const StreamCells home(static_cast<uint32_t>(random()), kCells);
      if (most_in_a_cell(home, kCells, 1, step, kStreams) > 16) ++bad;
    }
    EXPECT_LT(bad, 100) << step;
  }
}

}  // namespace
}  // namespace sluice::http2
