#pragma once
// Runs any bytes as an hour between hostile clients and hostile pods with the whole relay, and TCP,
// in the middle. What must hold: what FrameChecker says, of every connection; a request that was
// shown to a pod is shown to another one only after the first has said that it did not begin; and
// when all peers are gone nothing is left, no stream, no call, no buffer.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fixture.h"
#include "http2/frame_checker.h"

namespace sluice::relay {

using http2::FrameType;
using http2::must;

class RelayMachine {
 public:
  // What is too large to be made for each input.
  struct Rooms {
    http2::Buffers buffers{8191};
    stats::Worker counters;
    std::vector<stats::Worker*> all{&counters};
  };

  RelayMachine(Rooms& rooms, std::span<const uint8_t> program) : program_(program), rooms_(rooms) {
    snapshot_.services.push_back({.name = "echo",
                                  .connect_timeout = 100ms,
                                  .queue_timeout = 200ms,
                                  .ping_interval = 150ms,
                                  .ping_timeout = 100ms,
                                  .queue_limit = 4});
    snapshot_.listeners.push_back(
        {.name = "grpc", .address = kVip, .connect = config::Connect::kPass});
    snapshot_.limits.replay_buffer = 2'000;
    snapshot_.limits.transparent_retries = 2;
    snapshot_.limits.stream_window = 5'000;
    snapshot_.limits.connection_window = 70'000;
    snapshot_.limits.concurrent_streams = 20;
    snapshot_.limits.pod_connection_streams = 3;
    snapshot_.limits.max_pod_connection_streams = 12;
    snapshot_.guards.pod_resets = {6, 10};
    for (int i = 1; i <= kPods; ++i) up(i);
    endpoints(7);
  }

  void run() {
    turn();
    while (!program_.empty()) {
      const uint8_t op = byte();
      step(op);
      if ((op & 128) == 0) turn();
    }
    // Everybody goes: pods first or clients first.
    for (int i = 1; i <= kPods; ++i) outside_.stack.unlisten(pod_at(i));
    const bool pods_first = (byte() & 1) != 0;
    for (int round = 0; round < 2; ++round) {
      for (auto& p : peers_)
        if (p->tcp != nullptr && (p->role == http2::Role::kClient) == (pods_first != (round == 1)))
          p->tcp->abort();
      for (int i = 0; i < 4; ++i) turn();
    }
    for (int i = 0; i < 40; ++i) {
      now_ += 20ms;
      turn();
    }
    const stats::Relay& h = rooms_.counters.relay;
    must(h.streams.get() == 0, "no call is left");
    must(h.queued_streams.get() == 0, "no call waits");
    must(h.client_connections.get() == 0, "no client is left");
    must(h.calls_heap.get() == 0, "no heap is charged");
    must(h.client_tables.get() == 0, "no table of a client is charged");
    must(rooms_.counters.listener(0).active_streams.get() == 0, "no stream of the listener");
    for (uint32_t i = 1; i <= kPods; ++i)
      must(rooms_.counters.pod(i).active.get() == 0, "no stream on a pod");
    relay_.reset();
    outside_.stack.for_each([](tcp::Connection& c) { c.abort(); });
    outside_.stack.flush(now_);
  }

 private:
  static constexpr int kPods = 3;

  // One hostile end of a connection, and what it knows of the other.
  struct Raw final : tcp::User {
    Raw(RelayMachine& m, http2::Role under_test)
        : machine(m), role(under_test), checker(under_test), bytes(under_test, checker) {}
    void say(std::string_view all) {
      if (tcp == nullptr || ended) return;
      const auto* p = reinterpret_cast<const uint8_t*>(all.data());
      for (size_t at = 0; at < all.size();)
        at += bytes.next(p + at, static_cast<uint32_t>(all.size() - at));
      tcp->send_queue().append_copy({p, all.size()}, machine.rooms_.buffers.memory.hold());
      tcp->push();
    }
    void frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
      say(http2::frame(type, flags, stream, payload));
    }
    void on_established(tcp::Connection&) override {}
    void on_data(tcp::Connection& c, buf::Slice data) override {
      checker.said({reinterpret_cast<const char*>(data.data()), data.size()});
      if (paused) {
        unread += data.size();
      } else {
        c.consumed(data.size());
      }
    }
    void on_end_of_data(tcp::Connection&) override {}
    void on_writable(tcp::Connection&) override {}
    void on_closed(tcp::Connection&, tcp::CloseReason) override { tcp = nullptr; }

    RelayMachine& machine;
    const http2::Role role;  // of Sluice's side
    http2::FrameChecker checker;
    http2::PeerBytes bytes;
    tcp::Connection* tcp = nullptr;
    bool ended = false;
    bool paused = false;
    uint32_t unread = 0;
    uint32_t next_id = static_cast<uint32_t>(-1);
    // Of a pod's: which request came as which stream, and the least last id of its GOAWAYs.
    std::map<uint32_t, uint32_t> requests;
    std::map<uint32_t, bool> refused;
    uint32_t last = http2::kMaxStreamId;
  };
  struct Acceptor final : tcp::Acceptor {
    explicit Acceptor(RelayMachine& m) : machine(m) {}
    tcp::User* on_accept(tcp::Connection& c) override { return machine.accept(c); }
    RelayMachine& machine;
  };

  uint8_t byte() {
    if (program_.empty()) return 0;
    const uint8_t b = program_.front();
    program_ = program_.subspan(1);
    return b;
  }
  std::string bytes(size_t n) {
    n = std::min(n, program_.size());
    std::string s(reinterpret_cast<const char*>(program_.data()), n);
    program_ = program_.subspan(n);
    return s;
  }
  Raw* pick(http2::Role role) {
    std::vector<Raw*> fit;
    for (auto& p : peers_)
      if (p->role == role && p->tcp != nullptr) fit.push_back(p.get());
    return fit.empty() ? nullptr : fit[byte() % fit.size()];
  }
  Raw* client() { return pick(http2::Role::kServer); }
  Raw* pod() { return pick(http2::Role::kClient); }
  void up(int number) { outside_.stack.listen(pod_at(number), &acceptor_); }

  void step(uint8_t op) {
    switch (op & 15) {
      case 0:
      case 1:
      case 2:
        if (Raw* c = client()) {
          request(*c, op);
        } else {
          connect();
        }
        break;
      case 3:
        if (Raw* c = client()) data(*c, op);
        break;
      case 4:
        if (Raw* c = client()) control(*c, op);
        break;
      case 5:
      case 6:
        if (Raw* p = pod()) response(*p, op);
        break;
      case 7:
        if (Raw* p = pod()) data(*p, op);
        break;
      case 8:
        if (Raw* p = pod()) control(*p, op);
        break;
      case 9:
        if (Raw* p = pod()) {
          if ((op & 16) != 0) {
            p->frame(FrameType::kRstStream, 0, stream(), http2::number(op & 32 ? 7 : byte() % 16));
          } else {
            const uint32_t last = (op & 32) != 0 ? http2::kMaxStreamId : stream();
            p->frame(FrameType::kGoaway, 0, 0, http2::number(last) + http2::number(byte() % 16));
          }
        }
        break;
      case 10:
        now_ += Duration(static_cast<int64_t>(byte()) * ((op & 16) != 0 ? 1'000'000 : 50'000));
        break;
      case 11: {
        Raw* r = (op & 16) != 0 ? client() : pod();
        if (r == nullptr) break;
        if ((op & 32) != 0) {
          r->tcp->abort();
        } else if (!r->ended) {
          r->ended = true;
          r->tcp->close();
        }
        break;
      }
      case 12:
        if (Raw* r = (op & 16) != 0 ? client() : pod()) {
          r->paused = !r->paused;
          if (!r->paused) r->tcp->consumed(std::exchange(r->unread, 0));
        }
        break;
      case 13:
        if ((op & 16) != 0) {
          endpoints(byte());
        } else if ((op & 32) != 0) {
          outside_.stack.unlisten(pod_at(1 + byte() % kPods));
        } else {
          up(1 + byte() % kPods);
        }
        break;
      case 14:
        connect();
        break;
      case 15:
        if ((op & 48) == 48) {
          relay_->begin_drain((op & 64) != 0 ? 50ms : 0ms, 100ms);
        } else if (Raw* r = (op & 16) != 0 ? client() : pod()) {
          if ((op & 64) != 0) {
            r->say(bytes(byte() % 32));
          } else {
            const auto type = static_cast<FrameType>(byte() % 18);
            const uint8_t flags = byte();
            r->frame(type, flags, (op & 32) != 0 ? 0 : stream(), bytes(byte() % 32));
          }
        }
        break;
    }
  }

  // --- The hostile sides ---

  void connect() {
    size_t clients = 0;
    for (const auto& p : peers_) clients += p->role == http2::Role::kServer && p->tcp != nullptr;
    if (clients >= 4) return;
    peers_.push_back(std::make_unique<Raw>(*this, http2::Role::kServer));
    Raw& r = *peers_.back();
    r.tcp = outside_.stack.connect({}, kVip, &r, now_);
    if (r.tcp == nullptr || (byte() & 15) == 15) return;
    r.say(http2::hello());
    r.frame(FrameType::kSettings, http2::kFlagAck, 0, {});
  }
  tcp::User* accept(tcp::Connection& c) {
    peers_.push_back(std::make_unique<Raw>(*this, http2::Role::kClient));
    Raw& r = *peers_.back();
    r.tcp = &c;
    r.checker.on_section = [this, &r](uint32_t stream, http::FieldList& f) { seen(r, stream, f); };
    r.checker.on_heard = [&r](const http2::FrameHeader& h, std::string_view payload) {
      const auto* p = reinterpret_cast<const uint8_t*>(payload.data());
      if (h.type == FrameType::kRstStream && payload.size() == 4 && load_be32(p) == 7)
        r.refused[h.stream] = true;
      if (h.type == FrameType::kGoaway && payload.size() >= 8)
        r.last = std::min(r.last, load_be32(p) & http2::kMaxStreamId);
    };
    if ((byte() & 15) == 15) return &r;
    r.frame(FrameType::kSettings, 0, 0, {});
    r.frame(FrameType::kSettings, http2::kFlagAck, 0, {});
    return &r;
  }
  // A pod got a request, or its trailers.
  void seen(Raw& r, uint32_t stream, http::FieldList& fields) {
    const auto path = fields.find(Name::kPath);
    if (!path) return;
    // On its way when the pod said that it would not take it: it may be with another one already.
    if (stream > r.last || r.refused.contains(stream)) return;
    const auto call =
        static_cast<uint32_t>(std::strtoul(std::string(*path).c_str() + 1, nullptr, 10));
    for (const auto& p : peers_)
      for (const auto& [before, its] : p->requests)
        if (its == call)
          must(p->refused.contains(before) || before > p->last,
               "a request goes to a second pod only if the first one did not begin");
    r.requests[stream] = call;
  }

  uint32_t stream() { return byte() % 8 * 2 + 1; }
  void request(Raw& c, uint8_t op) {
    const uint8_t kind = byte();
    const std::string path = "/" + std::to_string(++calls_);
    std::string block = "\x83\x86\x04" + std::string(1, static_cast<char>(path.size())) + path;
    if ((kind & 1) != 0) block += std::string("\x0f\x10\x10") + "application/grpc";
    if ((kind & 6) == 6) block += std::string("\x0f\x0d\x02", 3) + "50";
    if ((kind & 24) == 24) block += std::string("\x00\x01x\x64", 4) + std::string(100, 'y');
    if ((kind & 96) == 96) block.erase(0, 1);  // no method
    uint8_t flags = http2::kFlagEndHeaders;
    if ((op & 16) != 0) flags |= http2::kFlagEndStream;
    c.frame(FrameType::kHeaders, flags, c.next_id += 2, block);
  }
  void response(Raw& p, uint8_t op) {
    static const std::string kSections[] = {
        "\x88",
        "\x88\x0f\x10\x10"
        "application/grpc",
        std::string("\x00\x0bgrpc-status\x01", 14) + "0",
        std::string("\x08\x03", 2) + "103",
        std::string("\x88\x0f\x0d\x01", 4) + "5",
        "\x8d",
    };
    uint8_t flags = http2::kFlagEndHeaders;
    if ((op & 16) != 0) flags |= http2::kFlagEndStream;
    const uint32_t id = stream();
    p.frame(FrameType::kHeaders, flags, id, kSections[byte() % std::size(kSections)]);
  }
  void data(Raw& r, uint8_t op) {
    const uint8_t n = byte();
    const uint8_t flags = (op & 16) != 0 ? http2::kFlagEndStream : uint8_t{0};
    r.frame(FrameType::kData, flags, stream(), std::string((op & 32) != 0 ? n * 20u : n % 40, 'd'));
  }
  void control(Raw& r, uint8_t op) {
    static constexpr uint32_t kValues[] = {0, 1, 2, 100, 4'096, 16'384, 65'535, 200'000};
    switch (op >> 4 & 3) {
      case 0:
        r.frame(FrameType::kWindowUpdate, 0, (op & 64) != 0 ? 0 : stream(),
                http2::number(byte() * 100u));
        break;
      case 1:
        r.frame(FrameType::kRstStream, 0, stream(), http2::number(byte() % 16));
        break;
      case 2: {
        const uint8_t b = byte();
        r.frame(FrameType::kSettings, 0, 0,
                http2::setting(static_cast<http2::Setting>(1 + b % 6), kValues[b / 8 % 8]));
        break;
      }
      case 3:
        r.frame(FrameType::kPing, (op & 64) != 0 ? http2::kFlagAck : uint8_t{0}, 0, "12345678");
        break;
    }
  }
  void endpoints(uint8_t set) {
    snapshot_.services[0].pods.clear();
    for (int i = 1; i <= kPods; ++i)
      if ((set >> (i - 1) & 1) != 0)
        snapshot_.services[0].pods.push_back({.endpoint = pod_at(i),
                                              .id = "pod" + std::to_string(i),
                                              .slot = static_cast<uint32_t>(i)});
    ++snapshot_.generation;
    relay_->set_now(now_);
    relay_->adopt(snapshot_);
  }

  // --- A turn of everybody, until the wire is silent ---

  void turn() {
    for (int i = 0; i < 20; ++i) {
      outside_.wheel.advance(now_);
      outside_.stack.flush(now_);
      deliver(outside_, lb_);
      relay_->set_now(now_);
      lb_.wheel.advance(now_);
      relay_->flush();
      lb_.stack.flush(now_);
      rooms_.buffers.memory.refresh();
      deliver(lb_, outside_);
      outside_.stack.flush(now_);
      if (outside_.out.empty()) return;
    }
  }
  void deliver(Node& from, Node& to) {
    relay_->set_now(now_);
    for (auto packets = std::exchange(from.out, {}); Node::Packet & p : packets) {
      tcp::Received r{p.source, p.destination, 0, 0, rooms_.buffers.slice(p.bytes)};
      to.stack.input({&r, 1}, now_);
    }
  }
  // Short times, since the wheel turns through every tick of the time that passes.
  static tcp::Config quick(bool inside) {
    tcp::Config c;
    c.max_connections = 64;
    c.max_half_open = 16;
    c.max_time_wait = 16;
    c.connect_timeout = inside ? Duration(24h) : Duration(10s);
    c.initial_rto = 20ms;
    c.min_rto = 20ms;
    c.max_rto = 100ms;
    c.time_wait = 50ms;
    c.fin_wait_2 = 200ms;
    c.user_timeout = 500ms;
    c.keepalive_idle = 200ms;
    c.keepalive_interval = 50ms;
    c.send_buffer = c.send_buffer_max = 20'000;
    return c;
  }

  std::span<const uint8_t> program_;
  Rooms& rooms_;
  Time now_{Duration(100s)};
  Node outside_{rooms_.buffers, "198.18.0.1", now_, 1, quick(false)};
  Node lb_{rooms_.buffers, "198.18.1.1", now_, 2, quick(true)};
  ip::Host host_{{}, {}, rooms_.buffers.memory, lb_.wheel};
  Acceptor acceptor_{*this};
  config::Snapshot snapshot_;
  std::vector<std::unique_ptr<Raw>> peers_;
  uint32_t calls_ = 0;
  Lower lower_{lb_.stack, rooms_.buffers.memory, rooms_.all[0]->http2, 64 * 1024};
  std::unique_ptr<Relay> relay_ =
      std::make_unique<Relay>(Relay::Setup{.tcp = lb_.stack,
                                           .plain = lower_.plain,
                                           .http1 = lower_.http1,
                                           .http2 = lower_.http2,
                                           .host = host_,
                                           .wheel = lb_.wheel,
                                           .memory = rooms_.buffers.memory,
                                           .workers = rooms_.all,
                                           .self = 0,
                                           .seed = 5,
                                           .now = now_});
};

}  // namespace sluice::relay
