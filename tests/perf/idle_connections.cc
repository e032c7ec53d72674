// What idle client connections cost a worker: opens so many over the simulated port, makes some
// calls on each with the fields of a gRPC client, lets them rest, and prints what the process has
// grown by. The clients are two numbers each, allocated before. With `http1`, clients and pods
// speak HTTP/1.1; with `websocket`, each connection is one WebSocket at rest, and pods keep no
// state; with `tls` and `tls-http1`, clients speak TLS 1.3.
//
//   idle_connections CONNECTIONS CALLS [http1 | websocket | tls | tls-http1]   prints one JSON line

#include <nghttp2/nghttp2.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "http1/websocket.h"
#include "perf/tls.h"
#include "perf/world.h"
#include "support/eal.h"

namespace sluice::perf {

bool measured_turn(SimWorker& worker) {
  return worker.turn();
}
bool other_turn(SimWorker& worker) {
  return worker.turn();
}

namespace {

constexpr size_t kBatch = 256;  // clients that are served at once
constexpr size_t kPortsAnAddress = 25000;
constexpr uint16_t kFirstPort = 10000;
constexpr uint32_t kFirstAddress = 0xc6120201;  // 198.18.2.1
constexpr int kPatience = 20'000;               // turns, until a batch must have been served
constexpr int kRestTurns = 500;                 // at the end, of 10 ms each

constexpr uint8_t kSyn = 0x02, kPush = 0x08, kAckFlag = 0x10;
constexpr size_t kSegment = 1'400;
constexpr size_t kFrameAt = 14, kTcpAt = 34;

uint64_t resident_bytes() {
  std::ifstream in("/proc/self/smaps_rollup");
  for (std::string word; in >> word;) {
    uint64_t kib = 0;
    if (word == "Rss:" && in >> kib) return kib * 1024;
  }
  return 0;
}

// The blocks that any client sends for its calls, one after the other: a fresh grpc-timeout in
// each, as grpc-go has it, indexed as nghttp2 does.
std::vector<std::string> header_blocks(int calls) {
  nghttp2_hd_deflater* deflater = nullptr;
  nghttp2_hd_deflate_new(&deflater, 4096);
  std::vector<std::string> blocks;
  for (int i = 0; i < calls; ++i) {
    std::vector<std::pair<std::string, std::string>> fields = {
        {":method", "POST"},
        {":scheme", "http"},
        {":path", "/sluice.lab.Echo/Unary"},
        {":authority", "198.18.0.10:50051"},
        {"content-type", "application/grpc"},
        {"user-agent", "grpc-go/1.60.0"},
        {"te", "trailers"},
        {"grpc-timeout", std::to_string(999'999 - i * 37) + "u"}};
    std::vector<nghttp2_nv> nv;
    for (auto& [name, value] : fields)
      nv.push_back({reinterpret_cast<uint8_t*>(name.data()),
                    reinterpret_cast<uint8_t*>(value.data()), name.size(), value.size(),
                    NGHTTP2_NV_FLAG_NONE});
    std::string block(nghttp2_hd_deflate_bound(deflater, nv.data(), nv.size()), '\0');
    const ssize_t n = nghttp2_hd_deflate_hd(deflater, reinterpret_cast<uint8_t*>(block.data()),
                                            block.size(), nv.data(), nv.size());
    block.resize(static_cast<size_t>(n));
    blocks.push_back(block);
  }
  nghttp2_hd_deflate_del(deflater);
  return blocks;
}

// What the clients do.
enum class Speak { kH2c, kHttp1, kWebSocket };

constexpr std::string_view kRequest =
    "POST /sluice.lab.Echo/Unary HTTP/1.1\r\nHost: 198.18.0.10:50051\r\n"
    "User-Agent: python-requests/2.28.1\r\nAccept: */*\r\nContent-Length: 4\r\n\r\nbody";
constexpr std::string_view kUpgrade =
    "GET /chat HTTP/1.1\r\nHost: 198.18.0.10:50051\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

class Idle {
 public:
  Idle(size_t connections, int calls, Speak speak, bool tls)
      : clients_(connections),
        blocks_(header_blocks(calls)),
        calls_(calls),
        speak_(speak),
        tls_(tls),
        world_(2, 100, false, speak != Speak::kH2c) {
    if (tls) {
      world_.snapshot.listeners[0].protocol = config::Protocol::kHttps;
      world_.snapshot.listeners[0].tls.contexts = make_contexts();
    }
    if (speak == Speak::kH2c) return;
    if (!tls) world_.snapshot.listeners[0].protocol = config::Protocol::kHttp;
    world_.snapshot.limits.http1_pod_connections = 65'536;
    if (speak == Speak::kWebSocket)
      world_.strange_pod = [this](const uint8_t* frame) { answer_as_pod(frame); };
  }

  int run() {
    world_.snapshot.startup.ports[0].addresses = {*Prefix::parse("198.18.0.2/16")};
    // A WebSocket has a connection to its pod as well. Idle connections are ended where the table
    // is nearly full.
    const size_t held_by_each = speak_ == Speak::kWebSocket ? 2 : 1;
    world_.snapshot.startup.memory.connections =
        static_cast<uint32_t>(clients_.size() * held_by_each * 9 / 8 + 1024);
    world_.stranger = [this](const uint8_t* frame) { hear(frame); };
    const uint64_t before = resident_bytes();
    world_.start();
    const uint64_t tables = resident_bytes();
    for (size_t from = 0, count = 0; from < clients_.size(); from += count) {
      // The first of an address alone: while a neighbour is asked for, few packets wait for it.
      const size_t at = from % kPortsAnAddress;
      count = at == 0 ? 1 : std::min(kBatch, kPortsAnAddress - at);
      count = std::min(count, clients_.size() - from);
      serve(from, count);
    }
    for (int i = 0; i < kRestTurns; ++i) {
      world_.clock.now += 10'000'000;
      world_.turn(false);
    }
    const uint64_t after = resident_bytes();
    const auto held = world_.counters.tcp.connections.get();
    const double n = static_cast<double>(clients_.size());
    std::printf(
        "{\"connections\": %zu, \"calls\": %d, \"open\": %lu, \"bytes_each\": %.0f, "
        "\"of_it_tables\": %.0f, \"buffers_held\": %u, \"total_mib\": %.0f}\n",
        clients_.size(), calls_, held, static_cast<double>(after - before) / n,
        static_cast<double>(tables - before) / n, World::kBuffers - world_.lb.hold.available(),
        static_cast<double>(after - before) / 1048576);
    return held >= clients_.size() ? 0 : 1;
  }

 private:
  struct Client {
    uint32_t next = 1;      // sequence number to send
    uint32_t expected = 0;  // ... and to receive; 0: not open
  };

  void serve(size_t from, size_t count) {
    for (size_t i = from; i < from + count; ++i) segment(i, kSyn, {});
    until([&] { return opened_ == from + count; });
    if (tls_) secure(from, count);
    if (speak_ == Speak::kWebSocket) {
      for (size_t i = from; i < from + count; ++i) say(i, std::string(kUpgrade));
      until([&] { return world_.counters.http1.tunnels.get() == 2 * (from + count); });
      settle();
      return;
    }
    if (speak_ == Speak::kHttp1) {
      for (int call = 0; call < calls_; ++call) {
        const uint64_t begun = streams_begun();
        for (size_t i = from; i < from + count; ++i) say(i, std::string(kRequest));
        until([&] {
          return streams_begun() == begun + count &&
                 world_.counters.listener(0).active_streams.get() == 0;
        });
      }
      settle();
      return;
    }
    const std::string hello =
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + http2::frame(http2::FrameType::kSettings, 0, 0);
    for (size_t i = from; i < from + count; ++i) say(i, hello);
    settle();
    for (size_t i = from; i < from + count; ++i)
      say(i, http2::frame(http2::FrameType::kSettings, 1, 0));
    settle();
    for (int call = 0; call < calls_; ++call) {
      const auto stream = static_cast<uint32_t>(call * 2 + 1);
      const uint64_t begun = streams_begun();
      const std::string request =
          http2::frame(http2::FrameType::kHeaders, 4, stream, blocks_[static_cast<size_t>(call)]) +
          http2::frame(http2::FrameType::kData, 1, stream, std::string(100, 'q'));
      for (size_t i = from; i < from + count; ++i) say(i, request);
      until([&] {
        return streams_begun() == begun + count &&
               world_.counters.listener(0).active_streams.get() == 0;
      });
    }
    settle();
  }
  // TLS's handshakes. The clients' sides of earlier batches are forgotten.
  void secure(size_t from, size_t count) {
    secured_.resize(count);
    first_secured_ = from;
    for (size_t k = 0; k < count; ++k) {
      secured_[k] = std::make_unique<test::Client>();
      secured_[k]->only(TLS1_3_VERSION);
      if (speak_ == Speak::kHttp1) secured_[k]->offer("http/1.1");
      send(from + k, secured_[k]->turn());
    }
    until([&] {
      for (const auto& c : secured_)
        if (!c->done) return false;
      return true;
    });
  }
  uint64_t streams_begun() { return world_.counters.listener(0).streams.get(); }

  template <class Done>
  void until(Done done) {
    for (int i = 0; i < kPatience; ++i) {
      if (speak_ == Speak::kWebSocket) world_.clock.now += 1'000'000;  // connects have a rate
      turn();
      if (done()) return;
    }
    std::fprintf(stderr, "stands still with %zu connections\n", opened_);
    std::exit(1);
  }
  void settle() {
    for (int i = 0; i < 4; ++i) turn();
  }
  void turn() {
    world_.turn(false);
    for (const size_t i : std::exchange(to_acknowledge_, {})) segment(i, kAckFlag, {});
    for (const auto& [i, bytes] : std::exchange(to_send_, {})) send(i, bytes);
  }

  void say(size_t i, const std::string& bytes) {
    send(i, tls_ ? secured_[i - first_secured_]->write(bytes) : bytes);
  }
  void send(size_t i, const std::string& bytes) {
    for (size_t at = 0; at < bytes.size(); at += kSegment) {
      const std::string piece = bytes.substr(at, kSegment);
      segment(i, kAckFlag | kPush, piece);
      clients_[i].next += static_cast<uint32_t>(piece.size());
    }
  }

  void segment(size_t i, uint8_t flags, const std::string& payload) {
    const bool syn = flags == kSyn;
    std::string bytes(syn ? 24 : 20, '\0');
    auto* b = reinterpret_cast<uint8_t*>(bytes.data());
    store_be16(b, static_cast<uint16_t>(kFirstPort + i % kPortsAnAddress));
    store_be16(b + 2, relay::kVip.port);
    store_be32(b + 4, syn ? 0 : clients_[i].next);
    store_be32(b + 8, clients_[i].expected);
    b[12] = static_cast<uint8_t>(bytes.size() / 4 << 4);
    b[13] = flags;
    store_be16(b + 14, 65535);
    if (syn) store_be32(b + 20, 0x020405b4);  // MSS 1460
    world_.send({Address::v4(kFirstAddress + static_cast<uint32_t>(i / kPortsAnAddress)),
                 relay::kVip.address, bytes + payload});
  }

  void hear(const uint8_t* frame) {
    const uint8_t* tcp = frame + kTcpAt;
    const size_t i = (load_be32(frame + kFrameAt + 16) - kFirstAddress) * kPortsAnAddress +
                     load_be16(tcp + 2) - kFirstPort;
    Client& c = clients_[i];
    const uint32_t sequence = load_be32(tcp + 4);
    const uint32_t size = load_be16(frame + kFrameAt + 2) - 20u - (tcp[12] >> 4) * 4u;
    if ((tcp[13] & kSyn) != 0) {
      if (c.expected == 0) ++opened_;
      c.expected = sequence + 1;
    } else if (size == 0) {
      return;
    } else if (sequence == c.expected) {
      c.expected += size;
      if (tls_ && i >= first_secured_ && i - first_secured_ < secured_.size()) {
        test::Client& side = *secured_[i - first_secured_];
        side.hear({reinterpret_cast<const char*>(tcp + (tcp[12] >> 4) * 4u), size});
        if (std::string bytes = side.turn(); !bytes.empty()) to_send_.emplace_back(i, bytes);
        side.received.clear();
      }
    }
    to_acknowledge_.push_back(i);
  }

  // A pod that takes WebSockets, and whose state is in what it hears.
  void answer_as_pod(const uint8_t* frame) {
    const uint8_t* tcp = frame + kTcpAt;
    const uint32_t header = (tcp[12] >> 4) * 4u;
    const uint32_t size = load_be16(frame + kFrameAt + 2) - 20u - header;
    const bool syn = (tcp[13] & kSyn) != 0;
    if (!syn && size == 0) return;
    std::string answer;
    if (!syn) {
      constexpr std::string_view kKey = "sec-websocket-key: ";
      const std::string_view text(reinterpret_cast<const char*>(tcp + header), size);
      const size_t at = text.find(kKey);
      if (at == std::string_view::npos) return;
      const http1::WebSocketAccept accept = http1::accept_of(text.substr(at + kKey.size(), 24));
      answer =
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: " +
          std::string(http1::view(accept)) + "\r\n\r\n";
    }
    std::string bytes(20, '\0');
    auto* b = reinterpret_cast<uint8_t*>(bytes.data());
    std::memcpy(b, tcp + 2, 2);
    std::memcpy(b + 2, tcp, 2);
    store_be32(b + 4, syn ? 1 : load_be32(tcp + 8));
    store_be32(b + 8, load_be32(tcp + 4) + (syn ? 1 : size));
    b[12] = 5 << 4;
    b[13] = syn ? kSyn | kAckFlag : kAckFlag | kPush;
    store_be16(b + 14, 65535);
    world_.send({Address::v4(load_be32(frame + kFrameAt + 16)),
                 Address::v4(load_be32(frame + kFrameAt + 12)), bytes + answer});
  }

  std::vector<Client> clients_;
  const std::vector<std::string> blocks_;
  const int calls_;
  const Speak speak_;
  const bool tls_;
  std::vector<std::unique_ptr<test::Client>> secured_;  // of the present batch
  size_t first_secured_ = 0;
  std::vector<std::pair<size_t, std::string>> to_send_;
  std::vector<size_t> to_acknowledge_;
  size_t opened_ = 0;
  World world_;
};

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  using sluice::perf::Speak;
  const std::string_view mode = argc == 4 ? argv[3] : "";
  const bool tls = mode.starts_with("tls");
  const std::string_view speaks = mode == "tls" ? "" : mode == "tls-http1" ? "http1" : mode;
  if (argc < 3 || argc > 4 || (!speaks.empty() && speaks != "http1" && speaks != "websocket")) {
    std::fprintf(stderr,
                 "usage: idle_connections CONNECTIONS CALLS [http1 | websocket | tls | "
                 "tls-http1]\n");
    return 2;
  }
  const Speak speak = speaks == "http1"       ? Speak::kHttp1
                      : speaks == "websocket" ? Speak::kWebSocket
                                              : Speak::kH2c;
  return sluice::test::with_eal([&] {
    return sluice::perf::Idle(std::strtoul(argv[1], nullptr, 10), std::atoi(argv[2]), speak, tls)
        .run();
  });
}
