#include "control/publisher.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace sluice::control {
namespace {

TEST(Publisher, keeps_a_snapshot_until_every_worker_has_passed_it) {
  stats::Worker first, second;
  std::vector<stats::Worker*> workers{&first, &second};
  config::Published published;
  Publisher p(published, workers);
  for (uint64_t g = 1; g <= 3; ++g) {
    auto s = std::make_unique<config::Snapshot>();
    s->generation = g;
    p.publish(std::move(s));
  }
  first.adopt(3);
  p.reclaim();
  EXPECT_EQ(p.kept(), 3u);
  second.adopt(2);
  p.reclaim();
  EXPECT_EQ(p.kept(), 2u);
  second.adopt(3);
  p.reclaim();
  EXPECT_EQ(p.kept(), 1u);
  EXPECT_EQ(published.get()->generation, 3u);
}

}  // namespace
}  // namespace sluice::control
