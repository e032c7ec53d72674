// What TCP costs: cycles a segment, bytes a connection, cycles a set-up, at a growing number of
// connections on one worker. A benchmark, not a test: prints, judges nothing.
//
//   bench_tcp [MAX_CONNECTIONS]

#include <rte_cycles.h>
#include <rte_eal.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <vector>

#include "base/random.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "buf/pool.h"
#include "tcp/stack.h"

using namespace sluice;

namespace {

class Sink final : public ip::Output {
 public:
  ip::Sent send(const ip::OutPacket& p, Time) override {
    last_seq = load_be32(p.header.data() + 4);
    last_size = p.payload_size;
    ++segments;
    return ip::Sent::kYes;
  }
  uint32_t max_segment(const Address&) const override { return 1480; }
  const Address* source_for(const Address&) const override { return nullptr; }
  uint32_t max_tso(const Address&) const override { return 0; }
  uint32_t last_seq = 0;
  uint32_t last_size = 0;
  uint64_t segments = 0;
};

class Owner final : public tcp::User, public tcp::Acceptor {
 public:
  tcp::User* on_accept(tcp::Connection& c) override {
    last = &c;
    return this;
  }
  void on_established(tcp::Connection&) override {}
  void on_data(tcp::Connection& c, buf::Slice d) override { c.consumed(d.size()); }
  void on_end_of_data(tcp::Connection&) override {}
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason) override {}
  tcp::Connection* last = nullptr;
};

size_t resident() {
  FILE* f = std::fopen("/proc/self/statm", "r");
  size_t total = 0, pages = 0;
  if (f == nullptr || std::fscanf(f, "%zu %zu", &total, &pages) != 2) pages = 0;
  if (f != nullptr) std::fclose(f);
  return pages * 4096;
}

struct Bench {
  explicit Bench(size_t n)
      : rx(buf::make_pool("rx", 4095, 2048 + 128, -1)),
        hold(buf::make_pool("hold", 4095, 2048 + 128, -1)),
        memory(buf::Pool(rx), buf::Pool(hold), 64, 16) {
    config.max_connections = n + 16;
    stack = std::make_unique<tcp::Stack>(config, sink, wheel, memory, counters, SipKey{1, 2});
    stack->listen({here, 80}, &owner);
  }

  static Endpoint client(size_t i) {
    return {Address::v4(static_cast<uint32_t>(0x0a000000 + i / 50'000)),
            static_cast<uint16_t>(1024 + i % 50'000)};
  }
  void segment(const Endpoint& from, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t size) {
    tcp::Header h;
    h.source_port = from.port;
    h.destination_port = 80;
    h.seq = seq;
    h.ack = ack;
    h.flags = flags;
    h.window = 65535;
    if (flags & tcp::kSyn) {
      h.options.mss = 1460;
      h.options.scale = 7;
      h.options.sack_permitted = true;
    }
    std::array<uint8_t, tcp::kMaxHeader> bytes;
    const size_t n = tcp::emit(h, bytes);
    buf::Slice s = buf::Pool(rx).alloc();
    std::memcpy(s.mutable_data(), bytes.data(), n);
    s.grow_back(static_cast<uint32_t>(n) + size);
    stack->input(from.address, here, 0, std::move(s), now);
  }

  rte_mempool* rx;
  rte_mempool* hold;
  Address here = Address::v4(1);
  Time now{Duration(100s)};
  Sink sink;
  TimerWheel wheel{now};
  buf::Memory memory;
  tcp::Counters counters;
  tcp::Config config;
  Owner owner;
  std::unique_ptr<tcp::Stack> stack;
};

}  // namespace

int main(int argc, char** argv) {
  const char* options[] = {"bench",    "--no-huge", "--no-pci",       "--no-shconf", "-m",   "128",
                           "--lcores", "0",         "--no-telemetry", "--log-level", "error"};
  if (rte_eal_init(static_cast<int>(std::size(options)), const_cast<char**>(options)) < 0) return 1;
  const size_t max = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  Bench b(max);
  std::printf("%12s %16s %18s %16s %14s\n", "connections", "set-up cycles", "data in + ACK out",
              "data out + ACK in", "bytes each");
  std::vector<uint32_t> iss(max);
  const size_t before = resident();
  size_t made = 0;
  for (size_t target = 1000; target <= max; target *= 10) {
    const size_t first = made;
    const uint64_t begin = rte_rdtsc();
    for (; made < target; ++made) {
      const Endpoint c = Bench::client(made);
      b.segment(c, tcp::kSyn, 1000, 0, 0);
      iss[made] = b.sink.last_seq;
      b.segment(c, tcp::kAck, 1001, iss[made] + 1, 0);
      if (made % 32 == 0) b.stack->flush(b.now);
    }
    b.stack->flush(b.now);
    const double setup =
        static_cast<double>(rte_rdtsc() - begin) / static_cast<double>(made - first);
    const size_t bytes = (resident() - before) / made;

    // Random connections, each once a round: a lookup that misses the caches.
    Random r(7);
    constexpr int kRounds = 20'000;
    std::vector<uint32_t> seq(made, 1001);
    const uint64_t in_begin = rte_rdtsc();
    for (int i = 0; i < kRounds; ++i) {
      const size_t k = r.below(made);
      b.segment(Bench::client(k), tcp::kAck, seq[k], iss[k] + 1, 1400);
      seq[k] += 1400;
      if (i % 32 == 31) b.stack->flush(b.now);
    }
    const double in = static_cast<double>(rte_rdtsc() - in_begin) / kRounds;

    // One connection, bulk.
    b.stack->flush(b.now);
    b.segment(Bench::client(made), tcp::kSyn, 1000, 0, 0);
    const uint32_t isn = b.sink.last_seq;
    b.segment(Bench::client(made), tcp::kAck, 1001, isn + 1, 0);
    tcp::Connection* c = b.owner.last;
    const std::vector<uint8_t> block(1460 * 4);
    uint32_t acked = isn + 1;
    uint64_t cycles = 0;
    constexpr int kBursts = 20'000;
    for (int i = 0; i < kBursts; ++i) {
      (void)c->send_queue().append_copy(block, b.memory.hold());
      const uint64_t t = rte_rdtsc();
      c->push();
      b.stack->flush(b.now);
      acked += 1460 * 4;
      b.segment(Bench::client(made), tcp::kAck, 1001, acked, 0);
      b.stack->flush(b.now);
      cycles += rte_rdtsc() - t;
      b.now += 10us;
      b.wheel.advance(b.now);
    }
    c->abort();
    b.stack->flush(b.now);
    std::printf("%12zu %16.0f %18.0f %16.0f %14zu\n", made, setup, in,
                static_cast<double>(cycles) / kBursts / 4, bytes);
    // The sequence numbers moved: start the next round from fresh connections only.
    for (size_t k = 0; k < made; ++k)
      if (seq[k] != 1001) b.segment(Bench::client(k), tcp::kRst, seq[k], 0, 0);
    b.stack->flush(b.now);
    for (size_t k = 0; k < made; ++k) {
      if (seq[k] == 1001) continue;
      b.segment(Bench::client(k), tcp::kSyn, 1000, 0, 0);
      iss[k] = b.sink.last_seq;
      b.segment(Bench::client(k), tcp::kAck, 1001, iss[k] + 1, 0);
      if (k % 32 == 0) b.stack->flush(b.now);
    }
    b.stack->flush(b.now);
  }
  return 0;
}
