// Uploads that a pod's handler does not read use up the send window that all clients of a
// connection share.

#include <set>

#include "frame_pod.h"

namespace sluice::relay {
namespace {

// A pod whose handler reads each request and answers it at its end; but those that begin with 's'
// it leaves alone.
struct ReadingPod {
  enum class Credits { kAtOnce, kAtHalf };  // golang's way; that of nghttp2 and Netty

  ReadingPod(Node& node, uint32_t stream_window, uint32_t connection_window, Credits credits)
      : pod(node, 4) {
    pod.stream_window = stream_window;
    pod.connection_window = connection_window;
    pod.on_frame = [=, this](FramePod::Side& side, const http2::Frame& f) {
      if (f.head.type != http2::FrameType::kData) return;
      const auto key = std::pair(&side, f.head.stream);
      if (f.payload.starts_with('s')) stalled.insert(key);
      if (stalled.contains(key)) {
        unread[&side] += f.head.size;
        return;
      }
      const auto due = [&](uint32_t& read, uint32_t window) {
        read += f.head.size;
        return read > 0 && (credits == Credits::kAtOnce || read >= window / 2);
      };
      if (due(read_of_connection[&side], connection_window))
        side.credit(0, std::exchange(read_of_connection[&side], 0));
      if ((f.head.flags & http2::kFlagEndStream) != 0) {
        side.answer(f.head.stream);
      } else if (due(read_of_stream[key], stream_window)) {
        side.credit(f.head.stream, std::exchange(read_of_stream[key], 0));
      }
    };
  }

  FramePod pod;
  std::set<std::pair<FramePod::Side*, uint32_t>> stalled;
  std::map<FramePod::Side*, uint32_t> unread;
  std::map<FramePod::Side*, uint32_t> read_of_connection;
  std::map<std::pair<FramePod::Side*, uint32_t>, uint32_t> read_of_stream;
};

struct Case {
  const char* name;
  uint32_t window;  // of a stream and of the connection
  ReadingPod::Credits credits;
  int clients;
  int uploads;  // of each
};

struct WindowShare : RelayTest, testing::WithParamInterface<Case> {
  static constexpr Duration kLongest = 100ms;

  // Calls of 1,000 bytes for a second, from four clients in turn; the longest that one took.
  Duration longest(std::vector<Peer*>& honest) {
    Duration worst{};
    for (int i = 0; i < 100; ++i) {
      Peer& p = *honest[static_cast<size_t>(i) % honest.size()];
      const uint32_t id = 1 + 2 * p.h2->streams_begun();
      const Time began = now;
      body(p, call(p, false), std::string(1'000, 'h'), true);
      while (!heard(p, id).closed && now - began < 10s) run(10ms);
      EXPECT_TRUE(heard(p, id).closed);
      worst = std::max(worst, now - began);
      run(10ms);
    }
    return worst;
  }
};

TEST_P(WindowShare, of_stalled_uploads_leaves_others_room) {
  const Case& c = GetParam();
  ReadingPod pod(outside, c.window, c.window, c.credits);
  snapshot.services[0].queue_limit = 1'024;
  endpoints({4});
  std::vector<Peer*> honest;
  for (int i = 0; i < 4; ++i) honest.push_back(&client());
  EXPECT_EQ(longest(honest), Duration::zero()) << "the same without stalled uploads";
  EXPECT_EQ(pod.pod.sides.size(), 1u);
  for (int i = 0; i < c.clients; ++i) {
    Peer& p = client();
    for (int k = 0; k < c.uploads; ++k)
      body(p, call(p, false), 's' + std::string(100'000, '-'), false);
  }
  EXPECT_LE(longest(honest), kLongest);
  EXPECT_EQ(longest(honest), Duration::zero());
  EXPECT_EQ(stats_of(4).failed.get(), 0u);
  EXPECT_LE(pod.pod.sides.size(), 64u);
  if (c.window < 100'000) {
    EXPECT_GT(worker->http2.window_shares.get(), 0u);
  }
  if (c.clients == 1) {
    for (auto& [side, bytes] : pod.unread) EXPECT_LE(bytes, c.window / 9 * 5 + 16'384u);
  }
  EXPECT_EQ(worker->relay.window_connections.get() + 1, pod.pod.sides.size());
  end();
}

constexpr auto kAtOnce = ReadingPod::Credits::kAtOnce;
constexpr auto kAtHalf = ReadingPod::Credits::kAtHalf;

INSTANTIATE_TEST_SUITE_P(
    , WindowShare,
    testing::Values(Case{"one_at_64k", 65'535, kAtOnce, 1, 1},
                    Case{"six_at_64k", 65'535, kAtOnce, 6, 1},
                    Case{"a_hundred_of_one_at_64k", 65'535, kAtOnce, 1, 100},
                    Case{"a_hundred_at_64k", 65'535, kAtOnce, 100, 1},
                    Case{"one_at_64k_credited_at_half", 65'535, kAtHalf, 1, 1},
                    Case{"six_at_64k_credited_at_half", 65'535, kAtHalf, 6, 1},
                    Case{"a_hundred_at_64k_credited_at_half", 65'535, kAtHalf, 100, 1},
                    Case{"a_hundred_of_one_at_64k_credited_at_half", 65'535, kAtHalf, 1, 100},
                    Case{"six_at_1m", 1 << 20, kAtOnce, 6, 4},
                    Case{"a_hundred_at_1m", 1 << 20, kAtOnce, 25, 4}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice::relay
