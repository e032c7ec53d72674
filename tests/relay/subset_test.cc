// With more workers than may connect to one pod, a worker uses a part of the pods.

#include "fixture.h"
#include "relay/process.h"

namespace sluice::relay {
namespace {

// The first of three workers: pods 1 and 2 are its own, pod 3 is the others'.
struct PodSubset : RelayTest {
  PodSubset() {
    snapshot.limits.connections_per_pod = 1;
    relay = std::make_unique<Relay>(Relay::Setup{.tcp = lb.stack,
                                                 .plain = lower.plain,
                                                 .http1 = lower.http1,
                                                 .http2 = lower.http2,
                                                 .host = host,
                                                 .wheel = lb.wheel,
                                                 .memory = buffers.memory,
                                                 .workers = workers,
                                                 .self = 0,
                                                 .seed = 21,
                                                 .now = now,
                                                 .process = &process});
    endpoints({1, 2, 3});
  }
  ~PodSubset() override { end(); }
  void kill(int n) {
    pod(n).down();
    for (auto& p : pod(n).peers)
      if (p->tcp != nullptr) p->tcp->abort();
  }

  Process process{3};
};

TEST_F(PodSubset, takes_the_calls_and_other_pods_get_no_connection) {
  Peer& p = client();
  for (uint32_t i = 0; i < 10; ++i) {
    call(p);
    EXPECT_TRUE(heard(p, 1 + 2 * i).ended);
  }
  EXPECT_EQ(pod(1).requests(), 5);
  EXPECT_EQ(pod(2).requests(), 5);
  EXPECT_EQ(stats_of(3).connects.get(), 0u);
}

TEST_F(PodSubset, grows_when_a_reload_allows_more_workers_for_a_pod) {
  snapshot.limits.connections_per_pod = 3;
  adopt();
  run();
  EXPECT_EQ(stats_of(3).connections.get(), 1u);
}

TEST_F(PodSubset, makes_way_for_all_pods_while_none_of_it_is_reachable) {
  Peer& p = client();
  kill(1);
  kill(2);
  run(2s);
  EXPECT_EQ(stats_of(3).connections.get(), 1u);
  call(p);
  EXPECT_TRUE(heard(p, 1).ended);
  EXPECT_EQ(pod(3).requests(), 1);
  EXPECT_EQ(worker->relay.no_pod.get(), 0u);
  // Its own pods come back.
  pod(1).up();
  pod(2).up();
  run(30s);
  EXPECT_EQ(stats_of(3).connections.get(), 0u) << "drained";
  call(p);
  EXPECT_EQ(pod(3).requests(), 1);
}

}  // namespace
}  // namespace sluice::relay
