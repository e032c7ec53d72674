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
  snapshot.limits.stream_window_max = snapshot.limits.stream_window;
  adopt();
  Peer& narrow = client();
  snapshot.limits.stream_window = snapshot.limits.connection_window = 1 << 24;
  adopt();
  Peer& wide = client();
  distance = kOneWay;
  const Duration took = upload(p, 8'000'000);
  EXPECT_GT(grown(), 3u);
  const Duration before = upload(narrow, 8'000'000);
  const Duration best = upload(wide, 8'000'000);
  EXPECT_GT(before, 6s);
  EXPECT_LE(took, best + 1s) << "some round trips until the window is as wide";
  std::cout << before / 1ms << " ms before, " << took / 1ms << " ms now, " << best / 1ms
            << " ms with wide windows from the beginning\n";
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
  pod(1).config.initial_stream_window = 65'535;
  endpoints({});
  endpoints({1});
  Peer& honest = client();
  std::vector<Peer*> uploaders;
  for (int i = 0; i < 20; ++i) uploaders.push_back(&client());
  distance = kOneWay;
  const auto keep_sending = [&](Peer& p, uint32_t k) {
    if (p.tcp == nullptr || p.ended || heard(p, 1 + 2 * k).reset) return;
    http2::Stream& s = *streams[{&p, 1 + 2 * k}];
    if (s.queued() < 3'000 && buffers.rx.available() > 500) feed(p, s, 1'400, false);
  };
  // A few at a time, as the buffers of this test allow, until their windows have grown.
  for (size_t group = 0; group < 20; group += 4)
    for (uint32_t begin = 0; begin < 50; begin += 10) {
      for (size_t i = group; i < group + 4; ++i)
        for (uint32_t k = begin; k < begin + 10; ++k)
          streams[{uploaders[i], 1 + 2 * k}] = open(*uploaders[i]);
      for (int ms = 0; ms < (begin == 0 ? 450 : 200); ++ms) {
        for (size_t i = group; i < group + 4; ++i)
          for (uint32_t k = begin; k < begin + 10; ++k) keep_sending(*uploaders[i], k);
        pass(1ms);
      }
    }
  EXPECT_GE(grown(), 1'000u);
  EXPECT_EQ(worker->relay.guard_memory.get(), 0u);
  const auto longest = [&] {
    Duration worst{};
    for (int i = 0; i < 10; ++i) {
      const uint32_t id = 1 + 2 * honest.h2->streams_begun();
      const Time began = now;
      feed(honest, *open(honest), 1'000, true);
      while (!heard(honest, id).closed && !heard(honest, id).reset && now - began < 5s) pass(1ms);
      EXPECT_TRUE(heard(honest, id).closed);
      worst = std::max(worst, now - began);
    }
    return worst;
  };
  const Duration before = longest();
  // From now on the pod reads only small requests.
  for (auto& peer : pod(1).peers)
    peer->owner.data_hook = [this, p = peer.get()](http2::Stream& s, buf::Slice, bool end) {
      if (end) pod(1).answer(*p, s);
    };
  for (int ms = 0; ms < 2'000 && worker->relay.guard_memory.get() == 0; ++ms) {
    for (Peer* p : uploaders)
      for (uint32_t k = 0; k < 50; ++k) keep_sending(*p, k);
    pass(1ms);
  }
  EXPECT_GE(worker->relay.guard_memory.get(), 1u) << "those that were fast go first";
  EXPECT_LE(longest(), before + 10ms);
  EXPECT_FALSE(honest.closed || honest.ended);
  distance = {};
}

}  // namespace
}  // namespace sluice::relay
