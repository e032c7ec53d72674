// Several workers, each with its own picker, choose among the same pods.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <queue>
#include <vector>

#include "balance/picker.h"
#include "balance/subset.h"

namespace sluice::balance {
namespace {

// Workers of one process, in virtual time.
class Workers {
 public:
  Workers(uint32_t workers, uint32_t pods, config::Balance policy, uint64_t seed = 3) {
    for (uint32_t w = 0; w < workers; ++w)
      all_.push_back(counters_.emplace_back(std::make_unique<stats::Worker>()).get());
    for (uint32_t w = 0; w < workers; ++w) {
      One& one = *ones_.emplace_back(std::make_unique<One>(all_, w, now, seed));
      for (uint32_t p = 0; p < pods; ++p)
        one.pods.push_back(
            std::make_unique<pods::Pod>(p, "pod", Endpoint{}, 1, *all_[w], one.others));
      for (auto& p : one.pods) one.candidates.push_back(p.get());
      one.picker = make_picker(policy, one.random, {.self = w, .workers = workers, .seed = seed});
      one.picker->update(one.candidates);
    }
  }

  size_t pick(uint32_t worker) { return ones_[worker]->picker->pick(); }
  pods::Pod& pod(uint32_t worker, size_t pod) { return *ones_[worker]->pods[pod]; }
  uint32_t workers() const { return static_cast<uint32_t>(ones_.size()); }

  Time now{1h};

 private:
  struct One {
    One(std::span<stats::Worker* const> workers, uint32_t self, const Time& now, uint64_t seed)
        : random(seed * 100 + self), others(workers, self, now) {}
    Random random;
    pods::OtherLoads others;
    std::vector<std::unique_ptr<pods::Pod>> pods;
    std::vector<pods::Pod*> candidates;
    std::unique_ptr<Picker> picker;
  };
  std::vector<std::unique_ptr<stats::Worker>> counters_;
  std::vector<stats::Worker*> all_;
  std::vector<std::unique_ptr<One>> ones_;
};

TEST(RoundRobinOfWorkers, gives_five_pods_a_fifth_each_however_few_calls_a_worker_gets) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    Workers process(8, 5, config::Balance::kRoundRobin, seed);
    std::map<size_t, int> calls;
    // Workers get different numbers of calls; 800 in all.
    for (uint32_t w = 0; w < 8; ++w)
      for (uint32_t i = 0; i < 65 + 10 * w; ++i) ++calls[process.pick(w)];
    for (size_t p = 0; p < 5; ++p) EXPECT_NEAR(calls[p] / 800.0, 0.20, 0.01) << p;
  }
}

TEST(RoundRobinOfWorkers, begins_at_different_pods) {
  Workers process(8, 5, config::Balance::kRoundRobin);
  std::map<size_t, int> first;
  for (uint32_t w = 0; w < 8; ++w) ++first[process.pick(w)];
  for (size_t p = 0; p < 5; ++p) EXPECT_NEAR(first[p], 1.6, 0.7) << p;
}

// The share of calls that a pod which is ten times slower gets. 80,000 calls a second in all; a
// call takes 1 ms, and on the slow pod 10 ms.
double share_of_a_slow_pod(uint32_t workers) {
  Workers process(workers, 5, config::Balance::kLeastRequest);
  Random random(11);
  struct Call {
    Time end;
    uint32_t worker;
    size_t pod;
    bool operator<(const Call& o) const { return end > o.end; }
  };
  std::priority_queue<Call> in_flight;
  int calls = 0, slow = 0;
  const Time begin = process.now + 100ms;  // after the start all queues have their lengths
  for (int i = 0; i < 80'000; ++i) {
    process.now += 12'500ns;
    for (; !in_flight.empty() && in_flight.top().end <= process.now; in_flight.pop())
      process.pod(in_flight.top().worker, in_flight.top().pod).end_stream();
    const auto worker = static_cast<uint32_t>(random.below(workers));
    const size_t pod = process.pick(worker);
    process.pod(worker, pod).begin_stream();
    in_flight.push({process.now + (pod == 0 ? 10ms : 1ms), worker, pod});
    if (process.now < begin) continue;
    ++calls;
    slow += pod == 0;
  }
  return static_cast<double>(slow) / calls;
}

TEST(LeastRequestOfWorkers, avoids_a_slow_pod_as_well_with_eight_workers_as_with_one) {
  const double alone = share_of_a_slow_pod(1);
  const double together = share_of_a_slow_pod(8);
  EXPECT_LT(alone, 0.035);  // equal queues would be 1 / 41
  EXPECT_LT(together, alone * 1.1);
}

TEST(LeastRequestOfWorkers, copies_the_load_of_other_workers_every_100_us_at_most) {
  Workers process(2, 2, config::Balance::kLeastRequest);
  EXPECT_EQ(process.pod(0, 1).in_flight(), 0u);
  process.pod(1, 1).begin_stream();
  process.now += 99us;
  EXPECT_EQ(process.pod(0, 1).in_flight(), 0u) << "the copy is young enough";
  EXPECT_EQ(process.pod(1, 1).in_flight(), 1u) << "its own load is never old";
  process.now += 1us;
  EXPECT_EQ(process.pod(0, 1).in_flight(), 1u);
  process.pod(1, 1).end_stream();
  process.now += 100us;
  EXPECT_EQ(process.pod(0, 1).in_flight(), 0u);
}

TEST(SubsetOfPods, gives_every_pod_the_same_number_of_workers_and_workers_equally_many_pods) {
  for (const uint32_t workers : {1u, 2u, 3u, 8u, 13u, 128u})
    for (const size_t pods : {1u, 2u, 3u, 7u, 64u, 1'000u})
      for (const uint32_t bound : {0u, 1u, 2u, 5u, 16u, 200u}) {
        std::vector<uint32_t> of_pod(pods), of_worker(workers);
        uint32_t each = 0;
        for (uint32_t w = 0; w < workers; ++w) {
          const Subset subset(pods, w, workers, bound);
          each = subset.workers_of_a_pod();
          for (size_t p = 0; p < pods; ++p)
            if (subset.has(p)) ++of_pod[p], ++of_worker[w];
        }
        for (const uint32_t n : of_pod) ASSERT_EQ(n, each);
        const auto [least, most] = std::minmax_element(of_worker.begin(), of_worker.end());
        ASSERT_LE(*most - *least, 1u);
        ASSERT_GE(*least, std::min<size_t>(pods, 2)) << "no worker hangs on one pod";
        if (bound == 0 || bound >= workers) {
          ASSERT_EQ(each, workers);
        } else if (pods * bound >= 2 * workers) {
          ASSERT_EQ(each, bound);
        }
      }
}

}  // namespace
}  // namespace sluice::balance
