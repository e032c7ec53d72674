// Uploads over a distance: their windows grow with what the path carries and the pod takes, and
// with the memory that is there.

#include "fixture.h"

namespace sluice::relay {
namespace {

struct UploadWindow : RelayTest {
  UploadWindow() {
    // Pods are near, and take what comes.
    pod(1).config.initial_stream_window = pod(1).config.connection_window = 1 << 24;
    snapshot.services[0].queue_limit = 1'024;
    endpoints({1});
  }

  static constexpr Duration kOneWay = 25ms;

  http2::Stream* open(Peer& p) { return p.h2->open(grpc(), false, &p.owner); }
  // Queues more of a request's body.
  void feed(Peer& p, http2::Stream& s, uint64_t bytes, bool end) {
    while (bytes > 0) {
      const uint64_t n = std::min<uint64_t>(bytes, 1'400);
      bytes -= n;
      p.h2->send_data(s, buffers.slice(std::string(n, 'x')), end && bytes == 0);
    }
  }
  // Bytes that a client has sent ahead of what it has just queued are few, so that the buffers are
  // there for Sluice.
  void keep_fed(Peer& p, uint32_t id, uint64_t total) {
    http2::Stream* s = streams.at({&p, id});
    uint64_t& queued = fed[{&p, id}];
    while (queued < total && s->queued() < 100'000) {
      const uint64_t n = std::min<uint64_t>(total - queued, 50'000);
      feed(p, *s, n, queued + n == total);
      queued += n;
    }
  }
  // How long an upload takes.
  Duration upload(Peer& p, uint64_t total) {
    const Time began = now;
    const uint32_t id = 1 + 2 * p.h2->streams_begun();
    streams[{&p, id}] = open(p);
    while (!heard(p, id).closed && now - began < 20s) {
      keep_fed(p, id, total);
      pass(1ms);
    }
    EXPECT_TRUE(heard(p, id).closed);
    return now - began;
  }
  uint64_t grown() { return worker->http2.windows_grown.get(); }

  std::map<std::pair<Peer*, uint32_t>, http2::Stream*> streams;
  std::map<std::pair<Peer*, uint32_t>, uint64_t> fed;
};

TEST_F(UploadWindow, of_8_MB_over_50_ms_grows_to_what_the_path_carries) {
  Peer& p = client();
  distance = kOneWay;
  const Duration took = upload(p, 8'000'000);
  EXPECT_LE(took, 1300ms);
  EXPECT_GT(grown(), 3u);
  std::cout << took / 1ms << " ms\n";
  distance = {};
}

TEST_F(UploadWindow, does_not_grow_where_the_limit_forbids_it) {
  snapshot.limits.stream_window_max = snapshot.limits.stream_window;
  adopt();
  Peer& p = client();
  distance = kOneWay;
  EXPECT_GE(upload(p, 2'000'000), 1400ms);
  EXPECT_EQ(grown(), 0u);
  distance = {};
}

TEST_F(UploadWindow, does_not_grow_without_a_distance) {
  Peer& p = client();
  upload(p, 2'000'000);
  EXPECT_EQ(grown(), 0u);
}

TEST_F(UploadWindow, of_a_stream_that_was_never_fast_stays_as_it_was) {
  pod(1).config.initial_stream_window = 10'000;
  pod(1).way = TestPod::Way::kSilent;
  endpoints({});
  endpoints({1});
  Peer& p = client();
  distance = kOneWay;
  http2::Stream* s = open(p);
  feed(p, *s, 400'000, false);
  pass(3s);
  EXPECT_EQ(grown(), 0u);
  EXPECT_LE(heard(p).sent, 10'000u + 65'536u + 16'384u);
  distance = {};
}

TEST_F(UploadWindow, stays_as_it_was_while_half_of_the_buffers_are_used) {
  Peer& p = client();
  std::vector<buf::Slice> taken;
  while (buffers.hold.available() > 8'000) taken.push_back(buffers.hold.alloc());
  distance = kOneWay;
  EXPECT_GE(upload(p, 1'000'000), 700ms);
  EXPECT_EQ(grown(), 0u);
  distance = {};
}

TEST_F(UploadWindow, of_a_thousand_that_stall_harms_nobody_else) {
  snapshot.limits.concurrent_streams = 200;
  adopt();
  std::vector<Peer*> uploaders;
  for (int i = 0; i < 20; ++i) uploaders.push_back(&client());
  Peer& honest = client();
  distance = kOneWay;
  // A few at a time, as the buffers of this test allow, until their windows have grown.
  for (Peer* p : uploaders) {
    for (uint32_t k = 0; k < 50; ++k) streams[{p, 1 + 2 * k}] = open(*p);
    for (uint32_t begin = 0; begin < 50; begin += 10)
      for (int ms = 0; ms < 350; ++ms) {
        for (uint32_t k = begin; k < begin + 10; ++k)
          if (streams[{p, 1 + 2 * k}]->queued() < 4'000)
            feed(*p, *streams[{p, 1 + 2 * k}], 2'800, false);
        pass(1ms);
      }
  }
  EXPECT_GE(grown(), 500u);
  const auto longest = [&] {
    Duration worst{};
    for (int i = 0; i < 20; ++i) {
      const uint32_t id = 1 + 2 * honest.h2->streams_begun();
      const Time began = now;
      http2::Stream* s = open(honest);
      feed(honest, *s, 1'000, true);
      while (!heard(honest, id).closed && !heard(honest, id).reset && now - began < 5s) pass(1ms);
      EXPECT_TRUE(heard(honest, id).closed);
      worst = std::max(worst, now - began);
    }
    return worst;
  };
  pod(1).way = TestPod::Way::kEcho;
  const Duration before = longest();
  // From now on the pod reads nothing but whole small requests.
  for (auto& peer : pod(1).peers)
    peer->owner.data_hook = [&, peer = peer.get()](http2::Stream& s, buf::Slice data, bool end) {
      if (data.size() != 1'000) return;
      peer->h2->consumed(s, data.size());
      if (end) pod(1).answer(*peer, s);
    };
  for (Peer* p : uploaders)
    for (uint32_t k = 0; k < 50; ++k)
      if (p->tcp != nullptr && buffers.rx.available() > 4'000)
        feed(*p, *streams[{p, 1 + 2 * k}], 14'000, false);
  const Duration after = longest();
  EXPECT_LE(after, before + 10ms);
  EXPECT_FALSE(honest.closed);
  distance = {};
}

}  // namespace
}  // namespace sluice::relay
