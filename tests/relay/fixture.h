#pragma once
// The production relay over the production TCP stack, and around it a world of clients and pods
// that do what the test says. Both are on one other stack; the wire between the two is a list, and
// time is the test's.

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/snapshot.h"
#include "http1/codec.h"
#include "http2/codec.h"
#include "http2/fixture.h"
#include "ip/host.h"
#include "relay/relay.h"
#include "tcp/stack.h"
#include "transport/plain.h"

namespace sluice::relay {

using http::FieldList;
using http::Name;
using http2::ErrorCode;

inline Endpoint at(const char* text) {
  return *Endpoint::parse(text);
}
inline const Endpoint kVip = at("198.18.0.10:50051");
inline Endpoint pod_at(int n) {
  return {Address::v4(0xc6120100u + 100 + n), 50051};
}

// The layers below a relay.
struct Lower {
  Lower(tcp::Stack& tcp, buf::Memory& memory, stats::Http2& stats,
        size_t field_table_bytes = http2::hpack::FieldTable::kBytes)
      : plain(tcp),
        http2({.memory = memory,
               .stats = stats,
               .fields_key = {5, 6},
               .table_seed = 7,
               .field_table_bytes = field_table_bytes}),
        http1({.memory = memory, .stats = http1_stats, .refs = &http2}) {}
  transport::PlainLayer plain;
  stats::Http1 http1_stats;
  http2::Codec http2;
  http1::Codec http1;  // refers to http2
};

// One end of the wire.
class Node final : public ip::Output {
 public:
  struct Packet {
    Address source, destination;
    std::string bytes;
    Time sent;
  };

  Node(http2::Buffers& b, const char* address, Time now, uint64_t seed, tcp::Config config = {})
      : buffers(b),
        address_(*Address::parse(address)),
        wheel(now),
        stack(config, *this, wheel, b.memory, counters, SipKey{seed, seed + 1}) {}

  ip::Sent send(const ip::OutPacket& p, Time now) override {
    if (cut || mute == p.source) return ip::Sent::kYes;
    std::string bytes(reinterpret_cast<const char*>(p.header.data()), p.header.size());
    for (const buf::View& v : p.payload)
      bytes.append(reinterpret_cast<const char*>(v.data()), v.size());
    out.push_back({p.source, p.destination, bytes, now});
    return ip::Sent::kYes;
  }
  uint32_t max_segment(const Address&) const override { return 1480; }
  const Address* source_for(const Address&) const override {
    return routeless ? nullptr : &address_;
  }
  // From now on new connections come from here.
  void move_to(const char* address) { address_ = *Address::parse(address); }
  uint32_t max_tso(const Address&) const override { return 0; }

  http2::Buffers& buffers;
  bool cut = false;             // what it sends is lost
  bool routeless = false;       // nothing can be connected to
  std::optional<Address> mute;  // what it sends from this address is lost

 private:
  Address address_;

 public:
  TimerWheel wheel;
  stats::Tcp counters;
  std::deque<Packet> out;
  tcp::Stack stack;
};

// A client or a pod's side of a connection: HTTP/2 over the outer stack.
class Peer final : public tcp::User {
 public:
  Peer(http2::Role role, Node& node, const http2::Config& config) : node_(node), role_(role) {
    config_ = config;
    // Many clients' calls come on a pod's connection.
    static const config::Guards kOfPods{.resets = {1'000'000, 0}};
    if (role == http2::Role::kServer) config_.guards = &kOfPods;
  }
  void begin(tcp::Connection& c) {
    tcp = &c;
    wire.emplace(c.send_queue());
    h2.emplace(role_, config_, owner, *wire, node_.buffers.memory, stats, streams, hpack);
    owner.connection = &*h2;
    if (role_ == http2::Role::kServer) h2->start();
  }
  void flush() {
    if (tcp == nullptr || !h2) return;
    if (!h2->failed()) h2->flush(tcp->send_space());
    tcp->push();
  }

  void on_established(tcp::Connection&) override { h2->start(); }
  void on_data(tcp::Connection& c, buf::Slice data) override {
    const uint32_t n = data.size();
    h2->receive(std::move(data), Time{});
    if (!paused) c.consumed(n);
  }
  void on_end_of_data(tcp::Connection& c) override {
    ended = true;
    c.close();
  }
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason) override {
    closed = true;
    tcp = nullptr;
  }

  bool has(const std::string& line) const {
    return std::find(owner.log.begin(), owner.log.end(), line) != owner.log.end();
  }

  tcp::Connection* tcp = nullptr;
  bool paused = false;  // reads no more
  bool ended = false;
  bool closed = false;
  http2::Owner owner;
  stats::Http2 stats;
  http2::hpack::Shared hpack{stats};
  Slab<http2::Stream> streams;
  std::optional<QueueStream> wire;
  std::optional<http2::Connection> h2;

 private:
  Node& node_;
  http2::Role role_;
  http2::Config config_;
};

// Accepts connections at a pod's address; by default answers each request with its own name.
class TestPod final : public tcp::Acceptor {
 public:
  enum class Way { kEcho, kRefuse, kSilent, kHeadersOnly, kEarly };

  TestPod(Node& node, int number) : node_(node), number_(number) { up(); }
  void up() { node_.stack.listen(pod_at(number_), this); }
  void down() { node_.stack.unlisten(pod_at(number_)); }

  tcp::User* on_accept(tcp::Connection& c) override {
    auto peer = std::make_unique<Peer>(http2::Role::kServer, node_, config);
    Peer* p = peer.get();
    peers.push_back(std::move(peer));
    p->begin(c);
    p->owner.headers_hook = [this, p](http2::Stream& s, http2::Handler::Section section, bool end) {
      if (section == http2::Handler::Section::kRequest) on_request(*p, s, end);
    };
    p->owner.data_hook = [this, p](http2::Stream& s, buf::Slice data, bool end) {
      if (way == Way::kSilent && !end) return;
      p->h2->consumed(s, data.size());
      if (end && way == Way::kEcho) answer(*p, s);
    };
    return p;
  }

  void answer(Peer& p, http2::Stream& s) {
    p.h2->send_headers(s, http2::response(), false);
    const std::string name = "pod" + std::to_string(number_);
    p.h2->send_data(s, node_.buffers.slice(name), false);
    p.h2->send_headers(s, http2::trailers(), true);
  }

  Peer& peer() { return *peers.back(); }
  int requests() const { return requests_; }

  Way way = Way::kEcho;
  http2::Config config;
  std::vector<std::unique_ptr<Peer>> peers;

 private:
  void on_request(Peer& p, http2::Stream& s, bool end) {
    ++requests_;
    last = &s;
    switch (way) {
      case Way::kRefuse:
        p.h2->reset(s, ErrorCode::kRefusedStream);
        break;
      case Way::kEcho:
        if (end) answer(p, s);
        break;
      case Way::kHeadersOnly:
        p.h2->send_headers(s, http2::response(), false);
        break;
      case Way::kEarly: {
        p.h2->send_headers(s, http2::response(), false);
        p.h2->send_headers(s, http2::trailers(), true);
        p.h2->reset_after_output(s, ErrorCode::kNoError);
        break;
      }
      case Way::kSilent:
        break;
    }
  }

  Node& node_;
  int number_;
  int requests_ = 0;

 public:
  http2::Stream* last = nullptr;
};

class RelayTest : public testing::Test {
 protected:
  static constexpr int kPods = 3;

  RelayTest() {
    snapshot.services.push_back(
        {.name = "echo", .connect_timeout = 1s, .queue_timeout = 5s, .queue_limit = 4});
    snapshot.listeners.push_back({.name = "grpc", .address = kVip});
    for (int i = 1; i <= kPods; ++i) pods.push_back(std::make_unique<TestPod>(outside, i));
  }
  ~RelayTest() override {
    end();
    clients.clear();
    lb.out.clear();
    outside.out.clear();
  }

  // The relay goes first, as in a worker; the world around it hears of it no more.
  void end() {
    relay.reset();
    outside.stack.for_each([](tcp::Connection& c) { c.abort(); });
    outside.stack.flush(now);
  }

  TestPod& pod(int n) { return *pods[static_cast<size_t>(n - 1)]; }

  // Makes exactly these pods the endpoints.
  void endpoints(std::vector<int> numbers) {
    snapshot.services[0].pods.clear();
    for (const int n : numbers)
      snapshot.services[0].pods.push_back({.endpoint = pod_at(n),
                                           .id = "pod" + std::to_string(n),
                                           .slot = static_cast<uint32_t>(n)});
    adopt();
    run();
  }
  void adopt() {
    ++snapshot.generation;
    relay->set_now(now);
    relay->adopt(snapshot);
  }

  Peer& client(const http2::Config& config = {}) {
    clients.push_back(std::make_unique<Peer>(http2::Role::kClient, outside, config));
    Peer& p = *clients.back();
    p.begin(*outside.stack.connect({}, kVip, &p, now));
    run();
    return p;
  }
  static FieldList grpc() {
    FieldList f = http2::request("/sluice.lab.Echo/Unary");
    f.add(Name::kContentType, "application/grpc+proto");
    f.add(Name::kTe, "trailers");
    return f;
  }
  http2::Stream* call(Peer& p, bool end = true, const FieldList& request = grpc()) {
    http2::Stream* s = p.h2->open(request, end, &p.owner);
    run();
    return s;
  }
  void body(Peer& p, http2::Stream* s, std::string_view bytes, bool end) {
    do {
      const size_t n = std::min<size_t>(bytes.size(), 1400);
      p.h2->send_data(*s, buffers.slice(bytes.substr(0, n)), end && n == bytes.size());
      bytes.remove_prefix(n);
    } while (!bytes.empty());
    run();
  }
  http2::Owner::Heard& heard(Peer& p, uint32_t id = 1) { return p.owner.streams[id]; }
  static std::string field(const FieldList& f, Name name) {
    return std::string(f.find(name).value_or("(none)"));
  }
  // The call failed as UNAVAILABLE, in one field section.
  void expect_trailers_only(Peer& p, uint32_t id = 1) {
    const auto& h = heard(p, id);
    EXPECT_TRUE(h.ended);
    EXPECT_EQ(field(h.headers, Name::kStatus), "200");
    EXPECT_EQ(field(h.headers, Name::kContentType), "application/grpc");
    EXPECT_EQ(field(h.headers, Name::kGrpcStatus), "14");
    EXPECT_EQ(field(h.headers, Name::kGrpcMessage).find("198.18"), std::string::npos);
  }

  // A turn of the worker and of the world, until the wire is silent; then `more` time passes.
  void run(Duration more = {}) {
    const Time end = now + more;
    for (;;) {
      for (int quiet = 0; quiet < 2;) {
        turn();
        quiet = lb.out.empty() && outside.out.empty() ? quiet + 1 : 0;
      }
      if (now >= end) return;
      now = std::min(end, now + 10ms);
    }
  }
  void turn() {
    deliver(outside, lb);
    relay->set_now(now);
    lb.wheel.advance(now);
    relay->flush();
    lb.stack.flush(now);
    buffers.memory.refresh();
    deliver(lb, outside);
    outside.wheel.advance(now);
    for (auto& c : clients) c->flush();
    for (auto& p : pods)
      for (auto& peer : p->peers) peer->flush();
    if (flush_others) flush_others();
    outside.stack.flush(now);
  }
  void deliver(Node& from, Node& to) {
    relay->set_now(now);
    for (auto packets = std::exchange(from.out, {}); Node::Packet & p : packets) {
      const bool far = p.source == kVip.address || p.destination == kVip.address;
      if (now - p.sent < (far ? distance : pod_distance)) {
        from.out.push_back(std::move(p));
        continue;
      }
      tcp::Received r{p.source, p.destination, 0, 0, buffers.slice(p.bytes)};
      to.stack.input({&r, 1}, now);
    }
  }
  // The same where packets are on their way for some time: turn by turn, a millisecond each.
  void pass(Duration time) {
    for (const Time end = now + time; now < end;) {
      now += 1ms;
      turn();
    }
  }
  uint64_t in_flight(int n) { return worker->pod(static_cast<uint32_t>(n)).active.get(); }
  stats::Pod& stats_of(int n) { return worker->pod(static_cast<uint32_t>(n)); }

  // As the worker configures it: the relay's own timer ends connects.
  static tcp::Config patient() {
    tcp::Config c;
    c.connect_timeout = 24h;
    return c;
  }

  Time now{std::chrono::hours(1)};
  // One way between clients and Sluice, and between Sluice and pods. With them, use pass() instead
  // of run().
  Duration distance{};
  Duration pod_distance{};
  http2::Buffers buffers{16383};
  Node outside{buffers, "198.18.0.1", now, 1};
  Node lb{buffers, "198.18.1.1", now, 2, patient()};
  std::unique_ptr<stats::Worker> worker = std::make_unique<stats::Worker>();
  std::vector<stats::Worker*> workers{worker.get()};
  ip::Host host{{}, {}, buffers.memory, lb.wheel};
  config::Snapshot snapshot;
  std::vector<std::unique_ptr<TestPod>> pods;
  std::vector<std::unique_ptr<Peer>> clients;
  std::function<void()> flush_others;  // peers of the test's own, on the outer stack
  Lower lower{lb.stack, buffers.memory, worker->http2};
  std::unique_ptr<Relay> relay =
      std::make_unique<Relay>(Relay::Setup{.tcp = lb.stack,
                                           .plain = lower.plain,
                                           .http1 = lower.http1,
                                           .http2 = lower.http2,
                                           .host = host,
                                           .wheel = lb.wheel,
                                           .memory = buffers.memory,
                                           .workers = workers,
                                           .self = 0,
                                           .seed = 21,  // the first call goes to pod 1
                                           .now = now});
};

}  // namespace sluice::relay
