#include "balance/picker.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

namespace sluice::balance {
namespace {

class PickerTest : public testing::Test {
 protected:
  // Pods with these weights, in slots 0, 1, ...
  void pods(std::vector<uint32_t> weights) {
    owned.clear();
    all.clear();
    for (uint32_t i = 0; i < weights.size(); ++i) {
      owned.push_back(std::make_unique<pods::Pod>(i, "pod", Endpoint{}, weights[i], *own, others));
      all.push_back(owned.back().get());
    }
    picker->update(all);
  }
  std::map<size_t, int> picks(int n) {
    std::map<size_t, int> count;
    for (int i = 0; i < n; ++i) ++count[picker->pick()];
    return count;
  }
  void use(config::Balance policy) { picker = make_picker(policy, random, {}); }

  Random random{7};
  std::unique_ptr<stats::Worker> own = std::make_unique<stats::Worker>();
  std::unique_ptr<stats::Worker> sibling = std::make_unique<stats::Worker>();
  std::vector<stats::Worker*> workers{own.get(), sibling.get()};
  Time now{1h};
  pods::OtherLoads others{workers, 0, now};
  std::vector<std::unique_ptr<pods::Pod>> owned;
  std::vector<pods::Pod*> all;
  std::unique_ptr<Picker> picker;
};

TEST_F(PickerTest, round_robin_gives_each_pod_its_turn) {
  use(config::Balance::kRoundRobin);
  pods({1, 1, 1, 1, 1});
  const size_t first = picker->pick();
  for (size_t i = 1; i < 50; ++i) EXPECT_EQ(picker->pick(), (first + i) % 5);
}

TEST_F(PickerTest, round_robin_keeps_to_weights_within_every_round) {
  use(config::Balance::kRoundRobin);
  pods({3, 1, 2});
  for (int round = 0; round < 20; ++round) {
    auto count = picks(60);
    EXPECT_NEAR(count[0], 30, 2);
    EXPECT_NEAR(count[1], 10, 2);
    EXPECT_NEAR(count[2], 20, 2);
  }
}

// However often pods come and go, none gets all calls for a while.
TEST_F(PickerTest, round_robin_begins_with_every_pod_in_the_first_round_whatever_the_weights) {
  use(config::Balance::kRoundRobin);
  for (int i = 0; i < 100; ++i) {
    pods({100, 101, 100});
    auto count = picks(9);
    for (size_t pod = 0; pod < 3; ++pod) EXPECT_NEAR(count[pod], 3, 1) << pod;
  }
}

TEST_F(PickerTest, round_robin_begins_at_different_pods) {
  use(config::Balance::kRoundRobin);
  std::map<size_t, int> first;
  for (int i = 0; i < 200; ++i) {
    pods({1, 1, 1, 1});
    ++first[picker->pick()];
  }
  EXPECT_EQ(first.size(), 4u);
}

TEST_F(PickerTest, least_request_never_takes_the_busier_of_two) {
  use(config::Balance::kLeastRequest);
  pods({1, 1});
  own->pod(0).active.set(5);
  EXPECT_EQ(picks(100)[0], 0);
}

TEST_F(PickerTest, least_request_sees_the_streams_of_other_workers) {
  use(config::Balance::kLeastRequest);
  pods({1, 1});
  sibling->pod_loads().set(1, 9);
  own->pod(0).active.set(3);
  EXPECT_EQ(picks(100)[1], 0);
}

TEST_F(PickerTest, least_request_counts_streams_for_a_pods_weight) {
  use(config::Balance::kLeastRequest);
  pods({4, 1});
  own->pod(0).active.set(6);  // 7 / 4 against 3 / 1
  own->pod(1).active.set(2);
  EXPECT_EQ(picks(100)[1], 0);
}

TEST_F(PickerTest, least_request_evens_out_unequal_pods) {
  use(config::Balance::kLeastRequest);
  pods({1, 1, 1, 1});
  for (int i = 0; i < 4000; ++i) ++own->pod(static_cast<uint32_t>(picker->pick())).active;
  for (uint32_t i = 0; i < 4; ++i) EXPECT_NEAR(own->pod(i).active.get(), 1000, 5);
}

TEST_F(PickerTest, one_pod_is_the_answer_to_everything) {
  for (const auto policy : {config::Balance::kRoundRobin, config::Balance::kLeastRequest}) {
    use(policy);
    pods({1});
    EXPECT_EQ(picks(10)[0], 10);
  }
}

}  // namespace
}  // namespace sluice::balance
