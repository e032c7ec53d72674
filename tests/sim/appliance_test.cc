// The whole appliance from a seed: the production loop between clients and pods that misbehave.
// Every call ends once, with the truth. A failing seed prints the command that replays it:
//   SLUICE_SEED=n sim_test
// SLUICE_SEEDS=m runs m seeds from n on, and does not stop at failures.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "world.h"

namespace sluice::sim {
namespace {

// About a minute and a half of one core.
#ifdef SLUICE_ASAN
constexpr uint64_t kSeeds = 150;
#else
constexpr uint64_t kSeeds = 1'500;
#endif
constexpr uint64_t kSeedsOfSeveral = kSeeds / 4;

class Appliance : public testing::Test {
 protected:
  void run(uint64_t seed, unsigned workers = 1) {
    const auto failures = [&] {
      return testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
    };
    const int before = failures();
    const uint32_t free = inside_.rx.available() + inside_.hold.available() +
                          outside_.rx.available() + outside_.hold.available();
    {
      World world(seed, inside_, outside_, workers);
      world.run();
      for (const std::string& v : world.violations()) ADD_FAILURE() << "seed " << seed << ": " << v;
      calls_ += world.count([](const Call&) { return true; });
      ok_ += world.count([](const Call& c) { return c.ok(); });
      retries_ += world.sum([](const auto& w) { return w.relay.retries.get(); });
      by_policy_ += world.sum([](const auto& w) { return w.relay.policy_retries.get(); });
      isolated_ += world.sum([](const auto& w) { return w.relay.isolated_clients.get(); });
      held_back_ += world.sum([](const auto& w) { return w.relay.throttled_streams.get(); });
      handed_over_ += world.sum([](const auto& w) { return w.steer.taken_over.get(); });
      cut_ += world.cut();
      merged_ += world.merged();
      const size_t ok = world.count([](const Call& c) { return c.ok(); });
      const size_t ok_by_http1 = world.count([](const Call& c) { return c.ok() && c.by_http1; });
      pairs_[0][world.plan.http1_pods ? 1 : 0] += ok - ok_by_http1;
      pairs_[1][world.plan.http1_pods ? 1 : 0] += ok_by_http1;
      secure_clients_ += world.sum([](const auto& w) {
        return w.tls.handshakes_full.get() + w.tls.handshakes_resumed.get();
      });
      resumed_ += world.sum([](const auto& w) { return w.tls.handshakes_resumed.get(); });
      refused_ += world.sum([](const auto& w) { return w.tls.failed_certificate.get(); });
      secure_pods_ += world.sum([](const auto& w) { return w.tls.pod_handshakes.get(); });
      truncated_ += world.sum([](const auto& w) { return w.tls.truncated.get(); });
      cut_answers_ += world.sum([](const auto& w) { return w.http1.answers_cut.get(); });
      broken_answers_ += world.sum([](const auto& w) { return w.http1.broken_answers.get(); });
      early_answers_ += world.sum([](const auto& w) { return w.http1.early_answers.get(); });
      unasked_ += world.sum([](const auto& w) { return w.http1.unasked_bytes.get(); });
      pings_ += world.sum([](const auto& w) { return w.relay.pod_pings.get(); });
      count_tunnels(world);
    }
    EXPECT_EQ(inside_.rx.available() + inside_.hold.available() + outside_.rx.available() +
                  outside_.hold.available(),
              free)
        << "seed " << seed << " leaks buffers";
    if (failures() != before)
      ADD_FAILURE() << "replay it: SLUICE_SEED=" << seed << " SLUICE_WORKERS=" << workers
                    << " sim_test";
  }

  void count_tunnels(const World& world) {
    const Tunnels& t = world.tunnels();
    const auto add = [&](size_t& n, auto&& is) { n += t.count(is); };
    add(tunnels_, [](const Tunnel&) { return true; });
    for (const bool http1 : {false, true})
      add(opened_[http1 ? 1 : 0][world.plan.http1_pods ? 1 : 0],
          [&](const Tunnel& x) { return x.opened && x.by_http1 == http1; });
    add(connects_, [](const Tunnel& x) { return x.opened && !x.websocket; });
    add(refused_tunnels_, [](const Tunnel& x) { return x.answered && !x.opened; });
    add(ended_, [](const Tunnel& x) {
      return x.client.heard_end || (x.opened && x.pods.back().heard_end);
    });
    add(reset_, [](const Tunnel& x) {
      return x.opened && (x.client.heard_reset || x.pods.back().heard_reset);
    });
    lived_ += world.live_tunnels();
    gave_up_ += world.count([](const Call& c) { return c.gave_up; });
    half_closed_ += world.count([](const Call& c) { return c.half_closed && c.ok(); });
    crossed_ += world.count([](const Call& c) { return c.crossed; });
  }

  http2::Buffers inside_{8191, "inside"};
  http2::Buffers outside_{16383, "outside"};
  size_t calls_ = 0, ok_ = 0, retries_ = 0, by_policy_ = 0;
  uint64_t cut_ = 0, merged_ = 0;
  size_t pairs_[2][2]{};  // calls that succeeded: client and pod of HTTP/2 (0), of HTTP/1.1 (1)
  size_t secure_clients_ = 0, secure_pods_ = 0, truncated_ = 0;  // handshakes, and ends of TLS
  size_t resumed_ = 0, refused_ = 0;                             // of secure_clients_
  size_t cut_answers_ = 0, broken_answers_ = 0, early_answers_ = 0, unasked_ = 0;
  size_t tunnels_ = 0, opened_[2][2]{}, connects_ = 0, refused_tunnels_ = 0;  // as pairs_
  size_t ended_ = 0, reset_ = 0, lived_ = 0;                                  // of opened_
  size_t gave_up_ = 0, half_closed_ = 0, crossed_ = 0;
  size_t isolated_ = 0, held_back_ = 0, pings_ = 0, handed_over_ = 0;
};

TEST_F(Appliance, every_call_ends_once_and_truthfully) {
  if (const char* seed = std::getenv("SLUICE_SEED")) {
    const auto number = [](const char* name, uint64_t otherwise) {
      const char* value = std::getenv(name);
      return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
    };
    const uint64_t first = std::strtoull(seed, nullptr, 10);
    for (uint64_t i = 0; i < number("SLUICE_SEEDS", 1); ++i)
      run(first + i, static_cast<unsigned>(number("SLUICE_WORKERS", 1)));
    return;
  }
  for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) run(seed);
  // That the dice fall on all sides.
  EXPECT_GT(ok_, calls_ / 3);
  EXPECT_LT(ok_, calls_);
  EXPECT_GT(retries_, kSeeds / 2);
  EXPECT_GT(by_policy_, kSeeds / 20);
  // Rare: the few seeds of a sanitized run may have none.
  if (kSeeds >= 1'000) {
    EXPECT_GT(isolated_, kSeeds / 200);
    EXPECT_GT(held_back_, 0u);
  }
  EXPECT_GT(pings_, kSeeds / 2);
  EXPECT_GT(cut_, kSeeds);
  EXPECT_GT(merged_, kSeeds);
  for (const auto& pods : pairs_)
    for (const size_t succeeded : pods) EXPECT_GT(succeeded, kSeeds);
  EXPECT_GT(secure_clients_, kSeeds);
  EXPECT_GT(secure_pods_, kSeeds);
  EXPECT_GT(resumed_, kSeeds / 10);
  EXPECT_GT(refused_, kSeeds / 10);
  EXPECT_GT(truncated_, kSeeds / 10);
  EXPECT_GT(cut_answers_, kSeeds / 10);
  EXPECT_GT(broken_answers_, kSeeds / 10);
  EXPECT_GT(early_answers_, kSeeds / 10);
  for (const auto& pods : opened_)
    for (const size_t opened : pods) EXPECT_GT(opened, kSeeds / 10);
  EXPECT_GT(connects_, kSeeds / 10);
  EXPECT_GT(refused_tunnels_, kSeeds / 10);
  EXPECT_GT(ended_, kSeeds / 2);
  EXPECT_GT(reset_, kSeeds / 10);
  EXPECT_GT(lived_, kSeeds / 10);
  EXPECT_GT(half_closed_, kSeeds / 10);
  EXPECT_GT(gave_up_, kSeeds / 20);
  EXPECT_GT(crossed_, 0u);
  std::printf(
      "succeeded: HTTP/2 to HTTP/2 %zu, to HTTP/1.1 %zu; HTTP/1.1 to HTTP/2 %zu, to itself %zu\n",
      pairs_[0][0], pairs_[0][1], pairs_[1][0], pairs_[1][1]);
  std::printf(
      "handshakes of TLS: %zu with clients, %zu of them resumed, %zu refused for the certificate; "
      "%zu with pods; %zu ends without close_notify\n",
      secure_clients_, resumed_, refused_, secure_pods_, truncated_);
  std::printf("HTTP/1.1: %zu answers were cut, %zu broken, %zu early, %zu unasked\n", cut_answers_,
              broken_answers_, early_answers_, unasked_);
  std::printf(
      "%zu tunnels; opened: HTTP/2 to HTTP/2 %zu, to HTTP/1.1 %zu; HTTP/1.1 to HTTP/2 %zu, to "
      "itself "
      "%zu; %zu CONNECT; %zu refused; %zu heard an end, %zu a reset; %zu lived until the end\n",
      tunnels_, opened_[0][0], opened_[0][1], opened_[1][0], opened_[1][1], connects_,
      refused_tunnels_, ended_, reset_, lived_);
  std::printf(
      "%zu answers behind the client's FIN, %zu requests broken off by it; %zu requests met a "
      "surplus "
      "answer\n",
      half_closed_, gave_up_, crossed_);
  std::printf("%zu calls, %zu succeeded, %zu sent again, %zu by policy, %zu waited for isolation\n",
              calls_, ok_, retries_, by_policy_, held_back_);
  std::printf("%lu packets were cut by the NIC, %lu were made of several\n", cut_, merged_);
}

// The queue at which a flow's packets arrive is none of the worker that owns the flow, and changes
// while calls are under way.
TEST_F(Appliance, of_two_to_four_workers_keeps_its_word_while_the_reta_changes) {
  if (std::getenv("SLUICE_SEED") != nullptr) GTEST_SKIP() << "another test replays the seed";
  for (uint64_t seed = 1; seed <= kSeedsOfSeveral && !HasFailure(); ++seed)
    run(seed, static_cast<unsigned>(2 + seed % 3));
  EXPECT_GT(ok_, calls_ / 3);
  EXPECT_GT(handed_over_, calls_);
  std::printf("%zu calls, %zu succeeded, %zu packets were handed over\n", calls_, ok_,
              handed_over_);
}

}  // namespace
}  // namespace sluice::sim
