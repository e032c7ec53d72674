// Downloads from a distant pod: the windows of their streams grow with what the path carries and
// the client takes, and with the memory that is there, as those of uploads do.

#include "fixture.h"

namespace sluice::relay {
namespace {

struct DownloadWindow : RelayTest {
  DownloadWindow() {
    pod(1).way = TestPod::Way::kHeadersOnly;
    endpoints({});
  }
  ~DownloadWindow() override { distance = pod_distance = {}; }

  static constexpr Duration kOneWay = 25ms;

  // Connects to the pod, which is far away. The clients are connected already.
  void begin() {
    pod_distance = kOneWay;
    snapshot.services[0].pods.push_back({.endpoint = pod_at(1), .id = "pod1", .slot = 1});
    adopt();
    pass(200ms);
  }
  // A client that takes what comes.
  Peer& wide_client() {
    http2::Config c;
    c.initial_stream_window = c.connection_window = 1 << 24;
    return client(c);
  }
  // The answer's bytes that the pod has ready are few, so that the buffers are there for Sluice.
  void keep_fed(uint64_t total) {
    Peer& p = pod(1).peer();
    http2::Stream& s = *pod(1).last;
    for (uint64_t fed = fed_; fed < total && s.queued() < 100'000; fed_ = fed) {
      const uint64_t n = std::min<uint64_t>(total - fed, 1'400);
      fed += n;
      p.h2->send_data(s, buffers.slice(std::string(n, 'x')), fed == total);
    }
  }
  // How long a download takes.
  Duration download(Peer& p, uint64_t total) {
    const Time began = now;
    const int before = pod(1).requests();
    const uint32_t id = 1 + 2 * p.h2->streams_begun();
    fed_ = 0;
    p.h2->open(grpc(), true, &p.owner);
    while (!heard(p, id).ended && now - began < 20s) {
      if (pod(1).requests() > before) keep_fed(total);
      pass(1ms);
    }
    EXPECT_TRUE(heard(p, id).ended);
    return now - began;
  }
  uint64_t grown() { return worker->http2.windows_grown.get(); }

  uint64_t fed_ = 0;
};

TEST_F(DownloadWindow, of_8_MB_over_50_ms_grows_to_what_the_path_carries) {
  Peer& p = wide_client();
  begin();
  EXPECT_LE(download(p, 8'000'000), 1'300ms);
  EXPECT_GT(grown(), 3u);
}

TEST_F(DownloadWindow, does_not_grow_where_the_limit_forbids_it) {
  snapshot.limits.stream_window_max = snapshot.limits.stream_window;
  Peer& p = wide_client();
  begin();
  EXPECT_GE(download(p, 2'000'000), 1'400ms);
  EXPECT_EQ(grown(), 0u);
}

TEST_F(DownloadWindow, stays_as_it_was_where_the_client_is_slow) {
  http2::Config slow;  // takes 20,000 bytes in a round trip of 50 ms
  slow.initial_stream_window = 20'000;
  Peer& p = client(slow);
  distance = kOneWay;
  begin();
  EXPECT_GE(download(p, 500'000), 1'000ms);
  EXPECT_EQ(grown(), 0u);
}

TEST_F(DownloadWindow, stays_as_it_was_while_half_of_the_buffers_are_used) {
  Peer& p = wide_client();
  std::vector<buf::Slice> taken;
  while (buffers.hold.available() > 8'000) taken.push_back(buffers.hold.alloc());
  begin();
  EXPECT_GE(download(p, 1'000'000), 700ms);
  EXPECT_EQ(grown(), 0u);
}

TEST_F(DownloadWindow, bounds_what_a_client_that_was_fast_and_stalls_makes_Sluice_keep) {
  Peer& p = wide_client();
  begin();
  const uint32_t id = 1 + 2 * p.h2->streams_begun();
  p.h2->open(grpc(), true, &p.owner);
  pass(100ms);
  for (int ms = 0; ms < 400; ++ms) {
    keep_fed(1 << 30);
    pass(1ms);
  }
  EXPECT_GT(grown(), 1u);
  p.paused = true;
  for (int ms = 0; ms < 1'000; ++ms) {
    keep_fed(1 << 30);
    pass(1ms);
  }
  const uint64_t sent = fed_;
  for (int ms = 0; ms < 1'000; ++ms) {
    keep_fed(1 << 30);
    pass(1ms);
  }
  EXPECT_EQ(fed_, sent) << "the pod waits for the window";
  EXPECT_LE(sent - heard(p, id).body.size(), snapshot.limits.stream_window_max + 1'000'000);
  p.tcp->abort();
  pass(100ms);
}

}  // namespace
}  // namespace sluice::relay
