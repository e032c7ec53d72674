#include "upstream/pod_heap.h"

#include <gtest/gtest.h>

namespace sluice::upstream {
namespace {

TEST(PodHeap, counts_what_all_connections_keep_and_refuses_nothing) {
  stats::Relay stats;
  PodHeap heap(stats);
  heap.charge(0, 16'384);
  heap.charge_lasting(4'096);
  EXPECT_EQ(stats.pod_heap.get(), 20'480u);
  EXPECT_FALSE(heap.overdrawn());
  heap.charge(0, -16'384);
  heap.charge_lasting(-4'096);
  EXPECT_EQ(stats.pod_heap.get(), 0u);
}

}  // namespace
}  // namespace sluice::upstream
