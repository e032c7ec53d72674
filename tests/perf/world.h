#pragma once
// The production loop over two simulated ports, and around it clients and pods made of the same
// rooms. Time is virtual and everything is drawn from fixed seeds, so that a run executes the same
// instructions each time. What the world does stays outside measured_turn().

#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/byte_order.h"
#include "buf/pool.h"
#include "ip/checksum.h"
#include "nic/frame.h"
#include "nic/port_queue.h"
#include "perf/http1.h"
#include "relay/fixture.h"
#include "worker/worker.h"

namespace sluice::perf {

// Of one turn and what the world does meanwhile; a cycle is a nanosecond.
inline constexpr uint64_t kTurnCycles = 10'000;

struct SimClock {
  uint64_t now = 1'000'000'000;
  uint64_t cycles() const { return now; }
  Time at(uint64_t cycles) const { return Time{Duration{static_cast<int64_t>(cycles)}}; }
};

// Frames lie in memory that is allocated once: the port's own cost is a copy.
class SimPort final : public ip::Link {
 public:
  struct Frame {
    uint32_t size = 0;
    std::array<uint8_t, 1536> bytes;
  };

  explicit SimPort(uint8_t number) : mac_{2, 0, 0, 0, 0, number} {}

  uint16_t receive(ip::InFrame* out, uint16_t n) {
    uint16_t got = 0;
    for (; got < n && !arriving.empty(); ++got) {
      out[got].bytes = std::move(arriving.front());
      arriving.pop_front();
    }
    numbers_.rx_packets += got;
    return got;
  }
  void flush() {}
  size_t unsent() const { return 0; }
  bool waiting() const { return false; }
  void interrupts(bool) {}
  const nic::QueueStats& stats() const { return numbers_; }

  // As a port without TSO: what is longer than a segment is cut.
  bool transmit(const ip::OutFrame& frame) override {
    nic::PayloadReader payload(frame.payload);
    nic::Piece piece;
    do {
      const uint32_t left = frame.payload_size - piece.offset;
      piece.size = frame.segment_size == 0 ? left : std::min<uint32_t>(left, frame.segment_size);
      piece.last = piece.size == left;
      if (count == sent.size()) sent.resize(count * 2 + 256);
      Frame& to = sent[count++];
      std::memcpy(to.bytes.data(), frame.headers.data(), frame.headers.size());
      if (piece.size != frame.payload_size) nic::cut_headers(frame, to.bytes.data(), piece);
      payload.copy(to.bytes.data() + frame.headers.size(), piece.size);
      to.size = static_cast<uint32_t>(frame.headers.size()) + piece.size;
      ++numbers_.tx_packets;
      piece.offset += piece.size;
      ++piece.index;
    } while (!piece.last);
    return true;
  }
  const uint8_t* mac() const override { return mac_.data(); }
  uint16_t mtu() const override { return 1500; }
  uint32_t max_tso() const override { return 16384; }

  std::deque<buf::Slice> arriving;
  std::vector<Frame> sent = std::vector<Frame>(1024);
  size_t count = 0;  // of `sent`

 private:
  std::array<uint8_t, 6> mac_;
  nic::QueueStats numbers_;
};

using SimWorker = worker::Worker<SimPort, SimClock>;

// Where callgrind counts, and where it does not.
[[gnu::noinline]] bool measured_turn(SimWorker& worker);
[[gnu::noinline]] bool other_turn(SimWorker& worker);

// The same fields, known to the table that this side encodes from, so that it puts them into its
// dynamic table as real clients and pods do. All but deadlines, which change with every call.
inline http::FieldList indexable(const http::FieldList& fields, http2::hpack::Shared& shared) {
  http::FieldList known;
  for (const http::Field& f : fields) {
    const std::string text = std::string(f.name) + std::string(f.value);
    http::FieldList::Known facts{.id = f.id};
    if (f.id != http::Name::kGrpcTimeout) {
      const uint32_t handle =
          shared.fields.intern({text.data(), static_cast<uint32_t>(f.name.size()),
                                static_cast<uint32_t>(f.value.size()), f.id, 0});
      facts.ref = shared.fields.ref(handle);
    }
    std::memcpy(known.room(text.size()), text.data(), text.size());
    known.commit(f.name.size(), f.value.size(), facts);
  }
  return known;
}

// Answers each request with so many bytes and trailers.
class Pod final : public tcp::Acceptor {
 public:
  Pod(relay::Node& node, int number, std::string answer) : node_(node), answer_(std::move(answer)) {
    node_.stack.listen(relay::pod_at(number), this);
  }

  tcp::User* on_accept(tcp::Connection& c) override {
    peers.push_back(std::make_unique<relay::Peer>(http2::Role::kServer, node_, http2::Config{}));
    relay::Peer* p = peers.back().get();
    p->begin(c);
    p->owner.data_hook = [this, p](http2::Stream& s, const buf::Slice& data, bool end) {
      if (data.size() > 0) p->h2->consumed(s, data.size());
      if (end) reply(*p, s);
    };
    return p;
  }

  std::vector<std::unique_ptr<relay::Peer>> peers;

 private:
  void reply(relay::Peer& p, http2::Stream& s) {
    http::FieldList response = http2::response();
    response.add(http::Name::kContentType, "application/grpc");
    p.h2->send_headers(s, indexable(response, p.hpack), false);
    std::string_view rest = answer_;
    while (!rest.empty()) {
      const size_t n = std::min<size_t>(rest.size(), 1400);
      p.h2->send_data(s, node_.buffers.slice(rest.substr(0, n)), false);
      rest.remove_prefix(n);
    }
    p.h2->send_headers(s, indexable(http2::trailers(), p.hpack), true);
  }

  relay::Node& node_;
  const std::string answer_;
};

// A world's worker is one of several of a process.
struct Siblings {
  size_t self = 0;
  std::span<stats::Worker* const> all;
  const config::Published* published = nullptr;
  worker::Process* process = nullptr;
  const steer::Owner* owner = nullptr;
  steer::Exchange* exchange = nullptr;
};

class World {
 public:
  // Not at once: the snapshot may be changed before start(). name: of the packet pools, which
  // differ within a process.
  World(int pod_count, size_t answer_bytes, bool at_once = true, bool http1_pods_ = false,
        const std::string& name = {})
      : world_buffers(kBuffers, name + "world"), lb(kBuffers, name + "sluice") {
    for (int i = 1; i <= pod_count; ++i) {
      const std::string answer(answer_bytes, 'x');
      if (http1_pods_) {
        http1_pods.push_back(std::make_unique<Http1Pod>(outside, i, answer));
      } else {
        pods.push_back(std::make_unique<Pod>(outside, i, answer));
      }
    }
    snapshot.generation = 1;
    snapshot.startup.ports.resize(2);
    snapshot.startup.ports[0].addresses = {*Prefix::parse("198.18.0.2/24")};
    snapshot.startup.ports[1].addresses = {*Prefix::parse("198.18.1.1/24")};
    snapshot.startup.memory = {.connections = 4096, .half_open = 1024, .time_wait = 4096};
    snapshot.startup.dpdk.hold_mbufs = kBuffers;
    snapshot.services.push_back({.name = "echo",
                                 .connect_timeout = std::chrono::seconds(1),
                                 .queue_timeout = std::chrono::seconds(5),
                                 .queue_limit = 1024});
    if (http1_pods_) snapshot.services[0].protocol = config::PodProtocol::kHttp1;
    for (int i = 1; i <= pod_count; ++i)
      snapshot.services[0].pods.push_back({.endpoint = relay::pod_at(i),
                                           .id = "pod" + std::to_string(i),
                                           .slot = static_cast<uint32_t>(i)});
    snapshot.listeners.push_back({.name = "grpc", .address = relay::kVip, .service = 0});
    published.set(&snapshot);
    if (at_once) start();
  }
  void start(const Siblings& siblings = {}) {
    const bool alone = siblings.all.empty();
    worker = std::make_unique<SimWorker>(
        SimWorker::Setup{.ports = {&north, &south},
                         .clock = clock,
                         .rx = lb.rx,
                         .hold = lb.hold,
                         .pin_above = 512,
                         .published = alone ? published : *siblings.published,
                         .orders = orders,
                         .workers = alone ? std::span<stats::Worker* const>(all) : siblings.all,
                         .self = siblings.self,
                         .secret = {1, 2},
                         .process = siblings.process,
                         .owner = siblings.owner,
                         .exchange = siblings.exchange});
  }
  ~World() {
    worker.reset();
    outside.stack.for_each([](tcp::Connection& c) { c.abort(); });
    outside.stack.flush(now());
    clients.clear();
    http1_clients.clear();
    http1_pods.clear();
    outside.out.clear();
    north.arriving.clear();
    south.arriving.clear();
  }

  Time now() const { return clock.at(clock.now); }

  // from: the client's port; 0: any.
  relay::Peer& connect(uint16_t from = 0) {
    clients.push_back(
        std::make_unique<relay::Peer>(http2::Role::kClient, outside, http2::Config{}));
    relay::Peer& p = *clients.back();
    p.begin(*outside.stack.connect({{}, from}, relay::kVip, &p, now()));
    return p;
  }

  // On a listener that takes HTTP/1.1.
  Http1Side& connect_http1() {
    http1_clients.push_back(std::make_unique<Http1Side>(outside));
    Http1Side& c = *http1_clients.back();
    c.tcp = outside.stack.connect({}, relay::kVip, &c, now());
    return c;
  }

  // The worker's turn, then the world's.
  void turn(bool measured) {
    clock.now += kTurnCycles;
    measured ? measured_turn(*worker) : other_turn(*worker);
    world_buffers.memory.refresh();
    hear(north);
    hear(south);
    outside.wheel.advance(now());
    for (auto& c : clients) settle(*c);
    for (auto& pod : pods) {
      for (auto& peer : pod->peers) settle(*peer);
      std::erase_if(pod->peers, [](const auto& peer) { return peer->closed; });
    }
    outside.stack.flush(now());
    for (const auto& packet : std::exchange(outside.out, {})) send(packet);
  }

  // A segment of somebody outside, TCP header first, its checksum not yet computed.
  void send(const relay::Node::Packet& packet);

  static constexpr uint32_t kBuffers = 8191;

  SimClock clock;
  http2::Buffers world_buffers;
  http2::Buffers lb;
  relay::Node outside{world_buffers, "198.18.0.1", now(), 1};
  config::Snapshot snapshot;
  config::Published published;
  worker::Orders orders;
  stats::Worker counters;
  std::vector<stats::Worker*> all{&counters};
  SimPort north{1}, south{2};
  std::vector<std::unique_ptr<Pod>> pods;
  std::vector<std::unique_ptr<Http1Pod>> http1_pods;
  std::vector<std::unique_ptr<relay::Peer>> clients;
  std::vector<std::unique_ptr<Http1Side>> http1_clients;
  std::unique_ptr<SimWorker> worker;
  // Frames to the north that are not for the world's own clients.
  std::function<void(const uint8_t* frame)> stranger;
  // If set, all frames to pods.
  std::function<void(const uint8_t* frame)> strange_pod;

 private:
  static constexpr std::array<uint8_t, 6> kMac{2, 0, 0, 0, 0, 9};  // of everybody outside
  static constexpr size_t kEthernet = 14, kIp = 20;

  // The fixture's owners write everything down: forgotten at once, or a long run would fill memory.
  static void settle(relay::Peer& p) {
    p.flush();
    p.owner.log.clear();
    p.owner.streams.clear();
  }

  void hear(SimPort& port) {
    for (size_t i = 0; i < port.count; ++i) {
      const SimPort::Frame& f = port.sent[i];
      const uint8_t* b = f.bytes.data();
      if (load_be16(b + 12) == 0x0806) {
        answer_arp(port, b);
        continue;
      }
      if (stranger && &port == &north && v4(b + kEthernet + 16) != *outside.source_for({})) {
        stranger(b);
        continue;
      }
      if (strange_pod && &port == &south) {
        strange_pod(b);
        continue;
      }
      const uint16_t size = load_be16(b + kEthernet + 2);
      const auto* segment = reinterpret_cast<const char*>(b + kEthernet + kIp);
      tcp::Received r{v4(b + kEthernet + 12), v4(b + kEthernet + 16), 0, 0,
                      world_buffers.slice({segment, size - kIp})};
      outside.stack.input({&r, 1}, now());
    }
    port.count = 0;
  }
  static Address v4(const uint8_t* p) { return Address::v4(load_be32(p)); }

  void answer_arp(SimPort& port, const uint8_t* request) {
    // Not an announcement, which asks for its own address (RFC 5227).
    if (std::memcmp(request + 28, request + 38, 4) == 0) return;
    std::string f(60, '\0');
    auto* b = reinterpret_cast<uint8_t*>(f.data());
    std::memcpy(b, port.mac(), 6);
    std::memcpy(b + 6, kMac.data(), 6);
    std::memcpy(b + 12, request + 12, 8);
    b[21] = 2;
    std::memcpy(b + 22, kMac.data(), 6);
    std::memcpy(b + 28, request + 38, 4);
    std::memcpy(b + 32, request + 22, 10);
    port.arriving.push_back(lb.slice(f));
  }
};

inline void World::send(const relay::Node::Packet& packet) {
  SimPort& port = packet.destination == relay::kVip.address ? north : south;
  std::string f(kEthernet + kIp, '\0');
  f += packet.bytes;
  auto* b = reinterpret_cast<uint8_t*>(f.data());
  std::memcpy(b, port.mac(), 6);
  std::memcpy(b + 6, kMac.data(), 6);
  store_be16(b + 12, 0x0800);
  uint8_t* ip = b + kEthernet;
  ip[0] = 0x45;
  store_be16(ip + 2, static_cast<uint16_t>(f.size() - kEthernet));
  ip[8] = 64;
  ip[9] = 6;
  std::memcpy(ip + 12, packet.source.v4_bytes(), 4);
  std::memcpy(ip + 16, packet.destination.v4_bytes(), 4);
  store_be16(ip + 10, ip::checksum({ip, kIp}));
  uint8_t* tcp = ip + kIp;
  store_be16(tcp + 16, 0);
  store_be16(tcp + 16,
             ip::checksum_l4(packet.source, packet.destination, 6, {tcp, packet.bytes.size()}));
  port.arriving.push_back(lb.slice(f));
}

}  // namespace sluice::perf
