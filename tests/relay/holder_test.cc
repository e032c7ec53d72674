// Who is charged for what is kept, what bounds it, and who goes when there is too much of it.

#include <chrono>

#include "fixture.h"
#include "frame_pod.h"
#include "http2/preface.h"

namespace sluice::relay {
namespace {

class IndexingClient;

struct Holding : RelayTest {
  friend IndexingClient;

  Holding() { pod(1).way = TestPod::Way::kSilent; }
  ~Holding() override {
    taken.clear();
    end();
  }

  Peer& client_at(const Address& address, const http2::Config& config = {},
                  const Endpoint& vip = kVip) {
    clients.push_back(std::make_unique<Peer>(http2::Role::kClient, outside, config));
    Peer& p = *clients.back();
    p.begin(*outside.stack.connect({address, 0}, vip, &p, now));
    run();
    return p;
  }
  static Address host(uint32_t n) { return Address::v4(0xc6120200u + n); }  // 198.18.2.n

  static FieldList large(size_t bytes) {
    FieldList f = grpc();
    f.add("x-large", std::string(bytes, 'x'));
    return f;
  }
  // Makes so many calls with fields of 10,000 bytes, which hang.
  void hang(Peer& c, int calls) {
    for (int i = 0; i < calls; ++i) call(c, true, large(10'000));
  }
  uint64_t heap() { return worker->relay.calls_heap.get(); }
  uint64_t tables() { return worker->relay.client_tables.get(); }
  // In pieces that are copied, not shared with the packets that they came in.
  void small_pieces(Peer& c, http2::Stream* s, int n) {
    const uint32_t id = s->id();
    for (int i = 0; i < n && !heard(c, id).closed && !heard(c, id).reset; ++i) {
      c.h2->send_data(*s, buffers.slice(std::string(500, 'x')), false);
      run();
    }
  }
  // Of answers that come in packets of 1,400 bytes, so many wait for this client, which has taken
  // 1,000 bytes of them.
  void answer(int packets) {
    pod(1).peer().h2->send_headers(*pod(1).last, http2::response(), false);
    more(*pod(1).last, packets);
  }
  void more(http2::Stream& s, int packets) {
    for (int i = 0; i < packets; ++i)
      pod(1).peer().h2->send_data(s, buffers.slice(std::string(1'400, 'x')), false);
    run();
  }
  Peer& stalled(const Address& address, int packets) {
    http2::Config small;
    small.initial_stream_window = 1'000;
    Peer& c = client_at(address, small);
    c.owner.data_hook = [](http2::Stream&, buf::Slice, bool) {};
    call(c);
    answer(packets);
    return c;
  }
  // Until no more are left for what is written and copied.
  void leave(uint32_t hold) {
    while (buffers.hold.available() > hold) taken.push_back(buffers.hold.alloc());
  }
  void until_reset(uint64_t connections) {
    while (worker->relay.guard_memory.get() < connections) {
      now += 2ms;
      run();
    }
  }

  std::vector<buf::Slice> taken;
};

// A client whose fields all enter the table of HPACK, as those of most encoders do.
class IndexingClient final : public tcp::User {
 public:
  // size_update: the beginning of its first block (RFC 7541, 6.3).
  explicit IndexingClient(Holding& test, std::string size_update = {})
      : test_(test), size_update_(std::move(size_update)) {
    tcp = test.outside.stack.connect({}, kVip, this, test.now);
    test.run();
    say(std::string(http2::kPreface) + http2::frame(http2::FrameType::kSettings, 0, 0) +
        http2::frame(http2::FrameType::kSettings, http2::kFlagAck, 0));
  }
  // A whole gRPC call with one more field.
  void call(std::string_view name, std::string_view value) {
    const std::string block =
        std::exchange(size_update_, {}) + "\x83\x86" + literal(":path", "/sluice.lab.Echo/Unary") +
        literal(":authority", "x") + literal("content-type", "application/grpc") +
        literal("te", "trailers") + literal(name, value);
    say(http2::frame(http2::FrameType::kHeaders, http2::kFlagEndHeaders | http2::kFlagEndStream,
                     next_, block));
    next_ += 2;
  }

  tcp::Connection* tcp = nullptr;

 private:
  static std::string text(std::string_view s) {
    std::string out;
    if (s.size() < 127) return std::string(1, static_cast<char>(s.size())) + std::string(s);
    out += '\x7f';
    size_t n = s.size() - 127;
    for (; n >= 128; n /= 128) out += static_cast<char>(n % 128 + 128);
    return out + static_cast<char>(n) + std::string(s);
  }
  static std::string literal(std::string_view name, std::string_view value) {
    return "\x40" + text(name) + text(value);
  }
  void say(const std::string& bytes) {
    for (size_t at = 0; at < bytes.size(); at += 1'400)
      tcp->send_queue().append(test_.buffers.slice(bytes.substr(at, 1'400)));
    tcp->push();
    test_.run();
  }
  void on_established(tcp::Connection&) override {}
  void on_data(tcp::Connection& c, buf::Slice data) override { c.consumed(data.size()); }
  void on_end_of_data(tcp::Connection& c) override { c.close(); }
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason) override { tcp = nullptr; }

  Holding& test_;
  std::string size_update_;
  uint32_t next_ = 1;
};

TEST_F(Holding, what_calls_keep_is_charged_and_given_back) {
  endpoints({1});
  Peer& c = client();
  EXPECT_EQ(heap(), 0u);
  hang(c, 10);
  EXPECT_GT(heap(), 100'000u);
  EXPECT_LT(heap(), 250'000u);
  c.tcp->abort();
  run(10ms);
  EXPECT_EQ(heap(), 0u);
}

TEST_F(Holding, the_tables_of_a_client_are_charged_and_given_back) {
  endpoints({1});
  pod(1).way = TestPod::Way::kEcho;
  IndexingClient c(*this);
  for (int i = 0; i < 40; ++i) c.call("x-trace", std::string(100, 'x') + std::to_string(i));
  EXPECT_GT(tables(), 2'000u);
  EXPECT_LT(tables(), 8'000u);
  EXPECT_EQ(pod(1).requests(), 40);
  EXPECT_EQ(heap(), 0u) << "the calls are over";
  run(2s);  // Sluice has seen that the client has taken the answers
  leave(20);
  run(100ms);
  EXPECT_EQ(worker->relay.guard_memory.get(), 0u) << "nobody wins by the end of an idle client";
  taken.clear();
  c.tcp->abort();
  run(10ms);
  EXPECT_EQ(tables(), 0u);
}

TEST_F(Holding, tables_leave_less_of_client_heap_for_calls) {
  snapshot.limits.client_heap = 80'000;
  snapshot.limits.header_table_size = 65'536;
  endpoints({1});
  pod(1).way = TestPod::Way::kEcho;
  IndexingClient large(*this, "\x3f\xe1\xff\x03");  // 65,536 bytes
  IndexingClient usual(*this);
  for (int i = 0; i < 60; ++i) large.call("x-trace", std::string(1'000, 'x') + std::to_string(i));
  EXPECT_GT(tables(), 60'000u);
  EXPECT_EQ(worker->http2.guard_heap.get(), 0u);
  pod(1).way = TestPod::Way::kSilent;
  for (int i = 0; i < 3; ++i) usual.call("x-large", std::string(10'000, 'x'));
  EXPECT_EQ(worker->http2.guard_heap.get(), 0u);
  for (int i = 0; i < 3; ++i) large.call("x-large", std::string(10'000, 'x'));
  EXPECT_GE(worker->http2.guard_heap.get(), 1u);
  usual.tcp->abort();
  large.tcp->abort();
  run(10ms);
}

TEST_F(Holding, what_a_pod_leaves_unfinished_is_counted_and_given_back) {
  FramePod raw(outside, 7);
  raw.on_frame = [](FramePod::Side& side, const http2::Frame& f) {
    if (f.head.type != http2::FrameType::kHeaders) return;
    // The first half of a field block, and a quarter of the frame behind it.
    const std::string half = http2::frame(http2::FrameType::kHeaders, 0, f.head.stream,
                                          "\x88" + std::string(5'000, '\0'));
    const std::string rest = http2::frame(http2::FrameType::kContinuation, http2::kFlagEndHeaders,
                                          f.head.stream, std::string(4'000, '\0'));
    const std::string all = half + rest.substr(0, 1'000);
    for (size_t at = 0; at < all.size(); at += 1'400) side.say(all.substr(at, 1'400));
  };
  snapshot.services[0].pods.clear();
  endpoints({7});
  const uint64_t before = worker->relay.pod_heap.get();
  Peer& c = client();
  call(c);
  EXPECT_GE(worker->relay.pod_heap.get(), before + 5'900);
  EXPECT_LE(worker->relay.pod_heap.get(), before + 25'000);
  EXPECT_FALSE(raw.side(0).ended);
  raw.side(0).tcp->abort();
  raw.down();
  run(10ms);
  EXPECT_EQ(worker->relay.pod_heap.get(), 0u);
}

TEST_F(Holding, a_client_with_too_much_is_refused_more_and_others_are_served) {
  snapshot.limits.client_heap = 100'000;
  endpoints({1});
  Peer& c = client();
  hang(c, 40);
  EXPECT_LT(heap(), 120'000u);
  EXPECT_GT(worker->http2.guard_heap.get(), 30u);
  EXPECT_EQ(heard(c, 79).code, ErrorCode::kEnhanceYourCalm);
  EXPECT_FALSE(heard(c, 1).reset);
  pod(1).way = TestPod::Way::kEcho;
  Peer& other = client();
  call(other);
  EXPECT_EQ(heard(other).body, "pod1");
  c.h2->for_each_stream([&](http2::Stream& s) { c.h2->reset(s, ErrorCode::kCancel); });
  run();
  call(c);
  EXPECT_EQ(heard(c, 81).body, "pod1");
}

TEST_F(Holding, an_address_gets_no_more_than_it_leaves_to_others) {
  snapshot.limits.calls_heap = 1'000'000;
  endpoints({1});
  for (int i = 0; i < 4; ++i) hang(client_at(host(1)), 30);
  EXPECT_GT(worker->http2.guard_heap.get(), 0u);
  EXPECT_GT(heap(), 450'000u);
  EXPECT_LT(heap(), 520'000u);
  Peer& other = client_at(host(2));
  hang(other, 5);
  for (uint32_t id = 1; id <= 9; id += 2) EXPECT_FALSE(heard(other, id).reset);
  EXPECT_EQ(worker->relay.guard_memory.get(), 0u);
}

// The first of two workers; the test charges for the calls of the other.
struct HoldingBesideAWorker : Holding {
  static constexpr uint64_t kLimit = 1 << 20;
  HoldingBesideAWorker() {
    snapshot.limits.calls_heap = kLimit;
    relay = std::make_unique<Relay>(Relay::Setup{.tcp = lb.stack,
                                                 .plain = lower.plain,
                                                 .http1 = lower.http1,
                                                 .http2 = lower.http2,
                                                 .host = RelayTest::host,
                                                 .wheel = lb.wheel,
                                                 .memory = buffers.memory,
                                                 .workers = workers,
                                                 .self = 0,
                                                 .seed = 21,
                                                 .now = now,
                                                 .process = &process});
    endpoints({1});
  }
  ~HoldingBesideAWorker() override { end(); }

  Process process{2};
  ByteLease other{process.calls_heap(), 2};
};

TEST_F(HoldingBesideAWorker, what_calls_of_another_worker_keep_is_not_there_for_this_one) {
  other.charge(kLimit / 10 * 8, kLimit);
  hang(client_at(host(1)), 30);
  EXPECT_GT(worker->http2.guard_heap.get(), 0u);
  EXPECT_LT(heap(), kLimit / 8);
  EXPECT_LT(heap() + other.used(), kLimit);
  other.charge(-other.used(), kLimit);
  const uint64_t refused = worker->http2.guard_heap.get();
  hang(client_at(host(2)), 15);
  EXPECT_EQ(worker->http2.guard_heap.get(), refused) << "of 30 calls before, 5 found room";
}

TEST_F(HoldingBesideAWorker, clients_are_not_evicted_for_what_calls_of_another_worker_keep) {
  hang(client_at(host(1)), 5);
  other.charge(kLimit / 16 * 15, kLimit);
  run(100ms);
  EXPECT_EQ(worker->relay.guard_memory.get(), 0u);
  other.charge(-(kLimit / 2), kLimit);
  for (uint32_t n = 2; n <= 9; ++n) hang(client_at(host(n)), 10);
  run(100ms);
  EXPECT_GT(worker->relay.guard_memory.get(), 0u) << "now these keep more than the other's";
}

TEST_F(HoldingBesideAWorker, a_relay_that_ends_leaves_no_heap_charged) {
  hang(client_at(host(1)), 30);
  EXPECT_GE(process.calls_heap().leased(), heap());
  end();
  EXPECT_EQ(process.calls_heap().leased(), 0u);
}

TEST_F(Holding, hosts_of_an_ipv6_network_of_64_bits_are_one_address) {
  const Endpoint vip = at("[2001:db8::10]:50051");
  snapshot.limits.calls_heap = 1'000'000;
  snapshot.listeners.push_back({.name = "six", .address = vip, .slot = 1});
  endpoints({1});
  for (const char* a : {"2001:db8:1:1::1", "2001:db8:1:1:2::2", "2001:db8:1:1:ffff::3"})
    hang(client_at(*Address::parse(a), {}, vip), 25);
  EXPECT_GT(worker->http2.guard_heap.get(), 0u);
  EXPECT_LT(heap(), 520'000u);
  Peer& other = client_at(*Address::parse("2001:db8:1:2::1"), {}, vip);
  hang(other, 5);
  EXPECT_FALSE(heard(other, 9).reset);
}

TEST_F(Holding, many_addresses_leave_room_for_newcomers) {
  snapshot.limits.calls_heap = 1'000'000;
  endpoints({1});
  for (uint32_t n = 1; n <= 14; ++n) {
    hang(client_at(host(n)), 40);
    now += 2ms;
    run();
  }
  EXPECT_GT(worker->relay.guard_memory.get(), 0u);
  EXPECT_LE(heap(), 875'000u);
  pod(1).way = TestPod::Way::kEcho;
  Peer& newcomer = client_at(host(100));
  call(newcomer);
  EXPECT_EQ(heard(newcomer).body, "pod1");
}

TEST_F(Holding, a_call_that_waits_with_too_much_of_its_body_fails) {
  snapshot.limits.client_heap = 100'000;
  lb.cut = true;
  endpoints({1});
  lb.cut = false;
  Peer& c = client();
  for (int i = 0; i < 2; ++i) small_pieces(c, call(c, false), 100);
  EXPECT_LT(heap(), 150'000u);
  EXPECT_EQ(worker->http2.guard_heap.get(), 1u);
  EXPECT_EQ(field(heard(c, 3).headers, Name::kGrpcStatus), "8");
}

TEST_F(Holding, of_a_call_under_way_the_copy_for_another_try_is_forgotten) {
  snapshot.limits.client_heap = 100'000;
  endpoints({1});
  Peer& c = client();
  for (int i = 0; i < 4; ++i) small_pieces(c, call(c, false), 100);
  EXPECT_LT(heap(), 150'000u);
  EXPECT_EQ(worker->http2.guard_heap.get(), 0u);
  EXPECT_EQ(in_flight(1), 4u);
}

TEST_F(Holding, field_blocks_that_do_not_end_are_charged) {
  snapshot.limits.client_heap = 60'000;
  endpoints({1});
  Peer& c = client();
  const auto say = [&](const std::string& bytes) {
    const buf::View view(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    ASSERT_TRUE(c.tcp->send_queue().append_copy(view, buffers.memory.hold()));
    c.tcp->push();
    run();
  };
  say(http2::frame(http2::FrameType::kHeaders, 0, 1, std::string(16'000, '\x82')));
  EXPECT_GT(heap(), 7'000u);  // up to 8 KiB may not be told
  EXPECT_EQ(worker->http2.guard_heap.get(), 0u);
  for (int i = 0; i < 3 && !c.closed; ++i)
    say(http2::frame(http2::FrameType::kContinuation, 0, 1, std::string(16'000, '\x82')));
  EXPECT_EQ(worker->http2.guard_heap.get(), 1u);
  run(100ms);
  EXPECT_EQ(heap(), 0u);
}

TEST_F(Holding, recycled_objects_keep_little) {
  Context context(now, lb.stack, lower.plain, lower.http1, lower.http2, lb.wheel, buffers.memory,
                  workers, 0, 1);
  std::vector<std::unique_ptr<Replay>> all;
  for (size_t i = 0; i < 2 * Context::kKeptReplays; ++i) {
    all.push_back(context.take_replay());
    all.back()->headers = large(6'000);
    all.back()->trailers = large(6'000);
  }
  for (auto& r : all) context.give_replay(std::move(r));
  EXPECT_GT(context.kept_heap(), Context::kKeptHeap / 2);
  EXPECT_LE(context.kept_heap(), Context::kKeptHeap);
  all.clear();
  for (size_t i = 0; i < 2 * Context::kKeptReplays; ++i) all.push_back(context.take_replay());
  EXPECT_EQ(context.kept_heap(), 0u);
}

TEST_F(Holding, a_client_leaves_no_more_calls_behind_than_it_may_have) {
  snapshot.limits.concurrent_streams = 5;
  pod(1).config.initial_stream_window = 1'000;
  endpoints({1});
  Peer& c = client();
  FieldList answer = http2::response();
  answer.add(Name::kGrpcStatus, "16");
  for (int i = 0; i < 8; ++i) {
    body(c, call(c, false), std::string(20'000, 'x'), true);
    pod(1).peer().h2->send_headers(*pod(1).last, answer, true);
    run();
  }
  EXPECT_EQ(in_flight(1), 5u);
  EXPECT_EQ(worker->relay.guard_leftovers.get(), 3u);
  EXPECT_EQ(c.h2->open_streams(), 0u);
  run(31s);
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_EQ(heap(), 0u);
}

// --- Who goes first ---

TEST_F(Holding, many_that_take_nothing_go_before_a_large_one_that_reads) {
  endpoints({1});
  http2::Config window;
  window.initial_stream_window = 1'000;
  Peer& reader = client_at(host(200), window);
  reader.owner.data_hook = [](http2::Stream&, buf::Slice, bool) {};
  http2::Stream* mine = call(reader);
  http2::Stream& pods = *pod(1).last;
  answer(40);
  std::vector<Peer*> others;
  for (uint32_t n = 1; n <= 20; ++n) others.push_back(&stalled(host(n), 1));
  for (int i = 0; i < 30; ++i) {  // 100 ms each, in which it takes all that it had
    reader.h2->consumed(*mine, 56'000);
    run(100ms);
    more(pods, 40);
  }
  leave(1'000);
  until_reset(20);
  EXPECT_FALSE(reader.closed);
  for (const Peer* p : others) EXPECT_TRUE(p->closed);
}

TEST_F(Holding, many_connections_of_one_address_go_before_one_of_another_that_holds_more) {
  endpoints({1});
  Peer& other = stalled(host(1), 5);
  std::vector<Peer*> many;
  for (int n = 0; n < 40; ++n) many.push_back(&stalled(host(2), 1));
  leave(1'000);
  until_reset(25);
  EXPECT_FALSE(other.closed);
}

TEST_F(Holding, data_ahead_of_a_gap_counts_as_held_for_the_client_that_sent_it) {
  endpoints({1});
  Peer& other = stalled(host(1), 2);
  Peer& sender = client_at(host(2));
  http2::Stream* s = call(sender, false);
  for (int i = 0; i < 10; ++i)
    sender.h2->send_data(*s, buffers.slice(std::string(1'400, 'x')), false);
  sender.flush();
  outside.stack.flush(now);
  ASSERT_GT(outside.out.size(), 6u);
  outside.out.erase(outside.out.begin());  // lost, and never sent again
  outside.mute = host(2);
  run(500ms);
  leave(1'000);
  until_reset(1);
  EXPECT_EQ(worker->relay.guard_memory.get(), 1u);
  EXPECT_FALSE(other.closed);
  outside.mute = {};
}

TEST_F(Holding, a_shortage_costs_nothing_for_clients_that_are_idle) {
  endpoints({1});
  for (uint32_t n = 0; n < 10; ++n) client_at(host(n));
  const auto looks = [&] {
    run(3s);  // what TCP had to say is acknowledged, and that was seen
    std::vector<buf::Slice> fill;
    while (buffers.hold.available() > 1'000) fill.push_back(buffers.hold.alloc());
    buffers.memory.refresh();
    auto best = std::chrono::nanoseconds::max();
    for (int round = 0; round < 20; ++round) {
      const auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < 100; ++i) {
        relay->set_now(now += 2ms);
        relay->flush();
      }
      best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - begin);
    }
    return best;
  };
  const auto few = looks();
  for (uint32_t n = 10; n < 400; ++n) client_at(host(n));
  EXPECT_LT(looks(), 5 * few);
  EXPECT_EQ(worker->relay.guard_memory.get(), 0u);
}

}  // namespace
}  // namespace sluice::relay
