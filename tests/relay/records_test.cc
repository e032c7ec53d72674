// The relay over streams that make records, toward clients and pods: what TLS will be to it.

#include "support/record_stream.h"

#include "fixture.h"

namespace sluice::relay {
namespace {

using test::RecordLayer;

// A client or a pod that speaks HTTP/2 in records.
class RecordPeer final : public transport::User {
 public:
  RecordPeer(http2::Role role, buf::Memory& memory) : role_(role), memory_(memory) {}
  void begin(transport::StreamPtr s) {
    stream = std::move(s);
    stream->set_user(*this);
    h2.emplace(role_, http2::Config{}, owner, *stream, memory_, stats_, streams_, hpack_);
    owner.connection = &*h2;
    if (role_ == http2::Role::kServer) on_established(*stream);
  }
  void flush() {
    if (!started_ || stream == nullptr || ended) return;
    if (!h2->failed()) h2->flush(stream->room());
    stream->push();
  }

  void on_established(transport::Stream&) override {
    h2->start();
    started_ = true;
  }
  void on_data(transport::Stream& s, buf::Slice data) override {
    const uint32_t n = data.size();
    h2->receive(std::move(data), Time{});
    s.consumed(n);
  }
  void on_end_of_data(transport::Stream& s, transport::End end) override {
    ended = end;
    s.close();
  }
  void on_writable(transport::Stream&) override {}
  void on_closed(transport::Stream&, transport::CloseReason) override {
    h2.reset();
    stream.reset();
  }

  transport::StreamPtr stream;  // nullptr once it is closed
  std::optional<transport::End> ended;
  http2::Owner owner;
  std::optional<http2::Connection> h2;

 private:
  http2::Role role_;
  buf::Memory& memory_;
  bool started_ = false;
  stats::Http2 stats_;
  http2::hpack::Shared hpack_{stats_};
  Slab<http2::Stream> streams_;
};

// Answers each request, when that is complete, with its own name.
class RecordPod final : public tcp::Acceptor {
 public:
  RecordPod(Node& node, transport::Layer& layer, int number)
      : node_(node), layer_(layer), number_(number) {
    node_.stack.listen(pod_at(number_), this);
  }
  tcp::User* on_accept(tcp::Connection& c) override {
    auto peer = std::make_unique<RecordPeer>(http2::Role::kServer, node_.buffers.memory);
    RecordPeer* p = peer.get();
    peers.push_back(std::move(peer));
    transport::Layer::Accepted accepted = layer_.accept(c);
    p->begin(std::move(accepted.stream));
    const auto answer = [this, p](http2::Stream& s) {
      if (silent) return;
      p->h2->send_headers(s, http2::response(), false);
      p->h2->send_data(s, node_.buffers.slice("pod" + std::to_string(number_)), false);
      p->h2->send_headers(s, http2::trailers(), true);
    };
    p->owner.headers_hook = [answer](http2::Stream& s, http2::Handler::Section, bool end) {
      if (end) answer(s);
    };
    p->owner.data_hook = [p, answer](http2::Stream& s, buf::Slice data, bool end) {
      p->h2->consumed(s, data.size());
      if (end) answer(s);
    };
    return accepted.tcp_user;
  }
  size_t requests() const {
    size_t all = 0;
    for (const auto& p : peers) all += p->owner.streams.size();
    return all;
  }

  bool silent = false;
  std::vector<std::unique_ptr<RecordPeer>> peers;

 private:
  Node& node_;
  transport::Layer& layer_;
  int number_;
};

class RelayRecords : public RelayTest {
 protected:
  ~RelayRecords() override { end(); }

  void start(uint32_t record_size, std::vector<int> numbers) {
    relay.reset();
    outer_.emplace(outer_plain_, buffers.hold, record_size);
    inner_.emplace(lower.plain, buffers.hold, record_size);
    relay = std::make_unique<Relay>(Relay::Setup{.tcp = lb.stack,
                                                 .plain = *inner_,
                                                 .http1 = lower.http1,
                                                 .http2 = lower.http2,
                                                 .host = host,
                                                 .wheel = lb.wheel,
                                                 .memory = buffers.memory,
                                                 .workers = workers,
                                                 .self = 0,
                                                 .seed = 5,
                                                 .now = now});
    for (auto& p : pods) p->down();
    for (int n = 1; n <= 2; ++n)
      record_pods_.push_back(std::make_unique<RecordPod>(outside, *outer_, n));
    flush_others = [this] {
      if (client_) client_->flush();
      for (auto& pod : record_pods_)
        for (auto& p : pod->peers) p->flush();
    };
    endpoints(std::move(numbers));
  }
  RecordPod& record_pod(int n) { return *record_pods_[static_cast<size_t>(n - 1)]; }
  RecordPeer& record_client() {
    client_.emplace(http2::Role::kClient, buffers.memory);
    client_->begin(outer_->connect(kVip, *client_, now));
    run();
    return *client_;
  }
  // Nothing is acknowledged to the relay any more, so that little leaves for the pod.
  void silence_pod(int n) { outside.mute = pod_at(n).address; }
  // The pod's host resets its connections.
  void lose_pod(int n) {
    outside.mute.reset();
    for (auto& p : record_pod(n).peers)
      if (p->stream != nullptr) p->stream->abort();
    run();
  }
  void send(RecordPeer& c, http2::Stream* s, size_t n) {
    for (; n > 0; n -= std::min<size_t>(n, 1'000))
      c.h2->send_data(*s, buffers.slice(std::string(std::min<size_t>(n, 1'000), 'u')), false);
  }

 private:
  transport::PlainLayer outer_plain_{outside.stack};
  std::optional<RecordLayer> outer_;  // of clients and pods
  std::optional<RecordLayer> inner_;  // of the relay
  std::vector<std::unique_ptr<RecordPod>> record_pods_;
  std::optional<RecordPeer> client_;
};

TEST_F(RelayRecords, calls_pass) {
  start(1'000, {1});
  RecordPeer& c = record_client();
  for (const uint32_t id : {1u, 3u}) {
    http2::Stream* s = c.h2->open(grpc(), false, &c.owner);
    send(c, s, 50'000);
    run();
    c.h2->send_data(*s, {}, true);
    run();
    EXPECT_EQ(c.owner.streams[id].body, "pod1");
    EXPECT_EQ(field(c.owner.streams[id].trailers, Name::kGrpcStatus), "0");
    EXPECT_EQ(record_pod(1).peers[0]->owner.streams[id].body.size(), 50'000u);
  }
}

TEST_F(RelayRecords, the_relay_ends_a_clients_stream_cleanly_behind_its_last_words) {
  start(1'000, {1});
  RecordPeer& c = record_client();
  relay->set_now(now);
  relay->begin_drain({}, 1s);
  run(2s);
  EXPECT_EQ(c.ended, transport::End::kClean);
  EXPECT_FALSE(c.owner.log.empty());
}

TEST_F(RelayRecords, of_a_lost_pods_calls_only_those_that_provably_never_left_are_repeated) {
  start(100, {1});
  record_pod(1).silent = true;
  RecordPeer& c = record_client();
  http2::Stream* sent = c.h2->open(grpc(), false, &c.owner);
  run();
  EXPECT_EQ(record_pod(1).requests(), 1u);
  silence_pod(1);
  send(c, sent, 40'000);  // more than the congestion window
  run();
  c.h2->open(grpc(), true, &c.owner);
  run();
  EXPECT_EQ(in_flight(1), 2u);
  endpoints({1, 2});
  lose_pod(1);
  EXPECT_EQ(record_pod(1).requests(), 1u);
  EXPECT_EQ(field(c.owner.streams[1].headers, Name::kGrpcStatus), "14");
  EXPECT_EQ(c.owner.streams[3].body, "pod2");
  EXPECT_EQ(worker->relay.pods_lost.get(), 1u);
  EXPECT_EQ(stats_of(1).retried.get(), 1u);
}

TEST_F(RelayRecords, a_call_whose_record_had_begun_to_leave_is_not_repeated) {
  start(16'384, {1});
  record_pod(1).silent = true;
  RecordPeer& c = record_client();
  http2::Stream* sent = c.h2->open(grpc(), false, &c.owner);
  run();
  silence_pod(1);
  send(c, sent, 8'000);
  run();
  // In one record, of which the congestion window lets a part go.
  send(c, sent, 12'000);
  c.h2->open(grpc(), true, &c.owner);
  run();
  EXPECT_EQ(in_flight(1), 2u);
  endpoints({1, 2});
  lose_pod(1);
  EXPECT_EQ(record_pod(1).requests(), 1u) << "the rest of the record did not leave";
  EXPECT_EQ(field(c.owner.streams[1].headers, Name::kGrpcStatus), "14");
  EXPECT_EQ(field(c.owner.streams[3].headers, Name::kGrpcStatus), "14");
  EXPECT_EQ(worker->relay.pods_lost.get(), 2u);
  EXPECT_EQ(record_pod(2).requests(), 0u);
}

}  // namespace
}  // namespace sluice::relay
