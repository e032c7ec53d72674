// Snapshots that differ from the one before in some pods only.

#include <set>

#include "fixture.h"
#include "support/pod_edits.h"

namespace sluice::relay {
namespace {

// Twice as many pods as a service has before its order is given up.
struct PodDifference : RelayTest {
  static constexpr int kAll = 128;

  PodDifference() {
    for (int i = kPods + 1; i <= kAll; ++i) pods.push_back(std::make_unique<TestPod>(outside, i));
  }
  ~PodDifference() override { end(); }

  void use(const std::set<int>& numbers) {
    relay->set_now(now);
    auto next = with(numbers);
    relay->adopt_difference(*next);
    current = std::move(next);
  }
  std::unique_ptr<config::Snapshot> with(const std::set<int>& numbers) {
    auto next = std::make_unique<config::Snapshot>(*current);
    next->services[0].pods.clear();
    for (const int n : numbers)
      next->services[0].pods.push_back({.endpoint = pod_at(n),
                                        .id = "pod" + std::to_string(n),
                                        .slot = static_cast<uint32_t>(n)});
    ++next->generation;
    next->difference = config::Difference{
        current.get(), {{0, test::pod_edits(current->services[0].pods, next->services[0].pods)}}};
    return next;
  }
  // Calls until each of these pods has had at least one more, and no other pod any.
  void expect_calls_go_to(const std::set<int>& numbers) {
    Peer& p = client();
    std::set<int> reached;
    std::vector<int> before;
    for (int n = 1; n <= kAll; ++n) before.push_back(pod(n).requests());
    for (size_t i = 0; i < 2 * numbers.size() + 2; ++i) call(p);
    for (int n = 1; n <= kAll; ++n)
      if (pod(n).requests() != before[static_cast<size_t>(n - 1)]) reached.insert(n);
    EXPECT_EQ(reached, numbers);
  }

  std::unique_ptr<config::Snapshot> current = std::make_unique<config::Snapshot>(snapshot);
};

TEST_F(PodDifference, pods_that_come_get_calls_and_pods_that_leave_get_no_more) {
  relay->adopt(*current);
  std::set<int> numbers{2};
  use(numbers);
  run();
  expect_calls_go_to(numbers);
  Random random(7);
  for (int round = 0; round < 12; ++round) {
    // From a few pods to all, and back.
    for (int i = 0; i < 24; ++i) {
      const int n = 1 + static_cast<int>(random.below(kAll));
      if (random.below(12) < static_cast<uint64_t>(round < 6 ? 9 : 3)) {
        numbers.insert(n);
      } else if (numbers.size() > 1) {
        numbers.erase(n);
      }
      if (i % 8 == 7) use(numbers);
    }
    run();
    expect_calls_go_to(numbers);
  }
}

TEST_F(PodDifference, many_pods_may_come_and_leave_at_once) {
  relay->adopt(*current);
  Random random(11);
  for (int round = 0; round < 8; ++round) {
    std::set<int> numbers{1 + round};
    for (int n = 1; n <= kAll; ++n)
      if (random.below(8) < static_cast<uint64_t>(round)) numbers.insert(n);
    use(numbers);
    run();
    expect_calls_go_to(numbers);
  }
}

TEST_F(PodDifference, a_call_between_two_parts_of_a_difference_finds_a_pod) {
  relay->adopt(*current);
  std::set<int> even, odd;
  for (int n = 1; n <= kAll; ++n) (n % 2 == 0 ? even : odd).insert(n);
  use(even);
  run();
  expect_calls_go_to(even);
  Peer& p = client();
  auto next = with(odd);
  relay->begin_difference(*next);
  int parts = 0;
  for (bool more = true; more; ++parts) {
    relay->set_now(now);
    more = relay->adopt_part();
    call(p);
  }
  EXPECT_GE(parts, kAll / static_cast<int>(PodParts::kPods));
  current = std::move(next);
  run();
  expect_calls_go_to(odd);
}

TEST_F(PodDifference, a_pod_that_comes_back_keeps_its_connection_while_a_call_lasts) {
  relay->adopt(*current);
  use({1});
  run();
  Peer& p = client();
  call(p, false);
  use({2});
  run();
  use({1, 2});
  run();
  EXPECT_EQ(stats_of(1).active.get(), 1u);
  use({});
  run();
  EXPECT_EQ(stats_of(1).active.get(), 1u);
}

TEST_F(PodDifference, pods_keep_their_calls_in_whatever_order_they_leave_and_come_back) {
  current->limits.concurrent_streams = 2 * kAll;
  relay->adopt(*current);
  std::set<int> all;
  for (int n = 1; n <= kAll; ++n) all.insert(n);
  use(all);
  run();
  // A call for each pod, which lasts.
  Peer& p = client({.max_concurrent_streams = 2 * kAll});
  for (int n = 1; n <= kAll; ++n) pod(n).way = TestPod::Way::kHeadersOnly;
  const auto reached = [&] {
    int pods = 0;
    for (int n = 1; n <= kAll; ++n) pods += in_flight(n) > 0;
    return pods;
  };
  for (int i = 0; i < 2 * kAll && reached() < kAll; ++i) call(p);
  ASSERT_GE(reached(), kAll / 2);
  std::vector<uint64_t> calls(1);
  for (int n = 1; n <= kAll; ++n) calls.push_back(in_flight(n));
  Random random(5);
  for (int round = 0; round < 12; ++round) {
    std::set<int> some{1 + round};
    for (int n = 1; n <= kAll; ++n)
      if (random.below(8) < static_cast<uint64_t>(round % 8)) some.insert(n);
    use(some);
    if (round % 3 == 0) run();
  }
  use({});
  run(1s);
  // Each pod has the connection with its calls and no other, and nothing is lost.
  for (int n = 1; n <= kAll; ++n) {
    EXPECT_EQ(in_flight(n), calls[static_cast<size_t>(n)]) << n;
    if (in_flight(n) > 0) {
      EXPECT_EQ(stats_of(n).connections.get(), 1u) << n;
    }
  }
  p.tcp->abort();
  run(1s);
  for (int n = 1; n <= kAll; ++n) EXPECT_EQ(stats_of(n).connections.get(), 0u) << n;
  use({1, 2, 3});
  run();
  for (int n = 1; n <= 3; ++n) pod(n).way = TestPod::Way::kEcho;
  expect_calls_go_to({1, 2, 3});
}

}  // namespace
}  // namespace sluice::relay
