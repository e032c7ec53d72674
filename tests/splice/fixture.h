#pragma once
// The production splicer over the production TCP stack, and around it clients and pods of plain TCP
// on one other stack. The wire between the two is a list, and time is the test's.

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/snapshot.h"
#include "ip/output.h"
#include "splice/splicer.h"
#include "support/buffers.h"
#include "tcp/stack.h"
#include "tls/ticket_keys.h"
#include "transport/plain.h"

namespace sluice::splice {

inline const Endpoint kVip = *Endpoint::parse("198.18.0.10:7000");
inline Endpoint pod_at(int n) {
  return {Address::v4(0xc6120100u + 100 + static_cast<uint32_t>(n)), 7000};
}

// One end of the wire.
class Node final : public ip::Output {
 public:
  struct Packet {
    Address source, destination;
    std::string bytes;
  };

  Node(Buffers& b, const char* address, Time now, uint64_t seed, const tcp::Config& config)
      : address_(*Address::parse(address)),
        wheel(now),
        stack(config, *this, wheel, b.memory, counters, SipKey{seed, seed + 1}) {}

  ip::Sent send(const ip::OutPacket& p, Time) override {
    if (mute == p.source) return ip::Sent::kYes;
    std::string bytes(reinterpret_cast<const char*>(p.header.data()), p.header.size());
    for (const buf::View& v : p.payload)
      bytes.append(reinterpret_cast<const char*>(v.data()), v.size());
    out.push_back({p.source, p.destination, bytes});
    return ip::Sent::kYes;
  }
  uint32_t max_segment(const Address&) const override { return 1480; }
  const Address* source_for(const Address&) const override { return &address_; }
  uint32_t max_tso(const Address&) const override { return 0; }

  std::optional<Address> mute;  // packets from this address are lost

 private:
  Address address_;

 public:
  TimerWheel wheel;
  stats::Tcp counters;
  std::deque<Packet> out;
  tcp::Stack stack;
};

// A client, or a pod's side of a connection.
class Peer final : public tcp::User {
 public:
  explicit Peer(Buffers& buffers) : buffers_(buffers) {}

  void say(std::string_view bytes) {
    tcp->send_queue().append_copy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                                  buffers_.hold);
    tcp->push();
  }
  // Reads what waits, and goes on reading.
  void read() {
    paused = false;
    if (tcp != nullptr) tcp->consumed(static_cast<uint32_t>(std::exchange(unread, 0)));
  }

  void on_established(tcp::Connection&) override { established = true; }
  void on_data(tcp::Connection& c, buf::Slice data) override {
    heard.append(reinterpret_cast<const char*>(data.data()), data.size());
    if (paused) {
      unread += data.size();
    } else {
      c.consumed(data.size());
    }
  }
  void on_end_of_data(tcp::Connection&) override { ended = true; }
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason reason) override {
    closed = reason;
    tcp = nullptr;
  }

  tcp::Connection* tcp = nullptr;
  std::string heard;
  uint64_t unread = 0;
  bool paused = false;
  bool established = false;
  bool ended = false;
  std::optional<tcp::CloseReason> closed;

 private:
  Buffers& buffers_;
};

class TestPod final : public tcp::Acceptor {
 public:
  TestPod(Node& node, Buffers& buffers, int number)
      : node_(node), buffers_(buffers), number_(number) {
    up();
  }
  void up() { node_.stack.listen(pod_at(number_), this); }
  void down() { node_.stack.unlisten(pod_at(number_)); }
  tcp::User* on_accept(tcp::Connection& c) override {
    peers.push_back(std::make_unique<Peer>(buffers_));
    peers.back()->tcp = &c;
    return peers.back().get();
  }
  Peer& peer() { return *peers.back(); }

  std::vector<std::unique_ptr<Peer>> peers;

 private:
  Node& node_;
  Buffers& buffers_;
  const int number_;
};

class SpliceTest : public testing::Test {
 protected:
  static constexpr int kPods = 3;

  SpliceTest() {
    snapshot.services.push_back({.name = "echo", .connect_timeout = 1s});
    snapshot.listeners.push_back({.name = "relay",
                                  .address = kVip,
                                  .protocol = config::Protocol::kTcp,
                                  .l4 = {.mode = config::Forward::kRelay}});
    for (int i = 1; i <= kPods; ++i) pods.push_back(std::make_unique<TestPod>(outside, buffers, i));
  }
  ~SpliceTest() override {
    splicer.reset();
    outside.stack.for_each([](tcp::Connection& c) { c.abort(); });
    outside.stack.flush(now);
    lb.out.clear();
    outside.out.clear();
  }

  TestPod& pod(int n) { return *pods[static_cast<size_t>(n - 1)]; }
  // Makes exactly these pods the endpoints.
  void endpoints(std::vector<int> numbers) {
    snapshot.services[0].pods.clear();
    for (const int n : numbers)
      snapshot.services[0].pods.push_back(
          {.endpoint = pod_at(n), .slot = static_cast<uint32_t>(n)});
    adopt();
  }
  void adopt() {
    ++snapshot.generation;
    splicer->set_now(now);
    splicer->adopt(snapshot);
  }
  Peer& client(const Endpoint& to = kVip) {
    clients.push_back(std::make_unique<Peer>(buffers));
    Peer& p = *clients.back();
    p.tcp = outside.stack.connect({}, to, &p, now);
    run();
    return p;
  }

  // Turns of the worker and of the world, until the wire is silent; then `more` time passes.
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
    buffers.memory.refresh();
    splicer->set_now(now);
    tls.now = now;
    deliver(outside, lb);
    lb.wheel.advance(now);
    splicer->flush();
    lb.stack.flush(now);
    deliver(lb, outside);
    outside.wheel.advance(now);
    outside.stack.flush(now);
  }
  void deliver(Node& from, Node& to) {
    for (auto packets = std::exchange(from.out, {}); Node::Packet & p : packets) {
      tcp::Received r{p.source, p.destination, 0, 0, buffers.slice(p.bytes)};
      to.stack.input({&r, 1}, now);
    }
  }
  stats::Splice& counters() { return worker->splice; }
  stats::Pod& stats_of(int n) { return worker->pod(static_cast<uint32_t>(n)); }
  uint64_t open_on(int n) { return stats_of(n).connections.get(); }

  // As the worker configures it: timers of the splices end connects.
  static tcp::Config patient() {
    tcp::Config c;
    c.connect_timeout = 24h;
    return c;
  }
  // Clients and pods that may stay half-closed for long.
  static tcp::Config lasting() {
    tcp::Config c;
    c.closing_timeout = {};
    c.fin_wait_2 = 24h;
    return c;
  }

  Time now{std::chrono::hours(1)};
  Buffers buffers{16383};
  Node outside{buffers, "198.18.0.1", now, 1, lasting()};
  Node lb{buffers, "198.18.1.1", now, 2, patient()};
  std::unique_ptr<stats::Worker> worker = std::make_unique<stats::Worker>();
  std::vector<stats::Worker*> workers{worker.get()};
  config::Snapshot snapshot;
  std::vector<std::unique_ptr<TestPod>> pods;
  std::vector<std::unique_ptr<Peer>> clients;
  transport::PlainLayer plain{lb.stack};
  tls::Context tls{lb.wheel, buffers.memory, worker->tls, worker->events, nullptr};
  std::unique_ptr<Splicer> splicer =
      std::make_unique<Splicer>(Splicer::Setup{.tcp = lb.stack,
                                               .plain = plain,
                                               .tls = tls,
                                               .wheel = lb.wheel,
                                               .memory = buffers.memory,
                                               .workers = workers,
                                               .self = 0,
                                               .seed = 21,
                                               .now = now});
};

}  // namespace sluice::splice
