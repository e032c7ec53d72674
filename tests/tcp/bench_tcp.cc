// What TCP costs: cycles a segment, bytes a connection, cycles a set-up, at a growing number of
// connections on one worker. A benchmark, not a test: prints, judges nothing.
//
//   bench_tcp [MAX_CONNECTIONS]

#include <rte_cycles.h>
#include <rte_eal.h>

#include <algorithm>
#include <array>
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

constexpr size_t kBurst = 32;

Endpoint client(size_t i) {
  return {Address::v4(static_cast<uint32_t>(0x0a000000 + i / 50'000)),
          static_cast<uint16_t>(1024 + i % 50'000)};
}

// What a client knows of its connection.
struct Client {
  uint32_t seq = 1001;
  uint32_t iss = 0;  // of the other side
};

// The network below, which remembers what each SYN-ACK said.
class Sink final : public ip::Output {
 public:
  explicit Sink(std::vector<Client>& clients) : clients_(clients) {}
  ip::Sent send(const ip::OutPacket& p, Time) override {
    if (p.header[13] & tcp::kSyn) {
      const size_t i = (p.destination.v4_host() - 0x0a000000) * size_t{50'000} +
                       load_be16(p.header.data() + 2) - 1024;
      clients_[i].iss = load_be32(p.header.data() + 4);
    }
    return ip::Sent::kYes;
  }
  uint32_t max_segment(const Address&) const override { return 1480; }
  const Address* source_for(const Address&) const override { return nullptr; }
  uint32_t max_tso(const Address&) const override { return 0; }

 private:
  std::vector<Client>& clients_;
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

class Bench {
 public:
  explicit Bench(size_t n)
      : clients(n + 1),
        rx_(buf::make_pool("rx", 4095, 2048 + 128, -1)),
        memory_(buf::Pool(rx_), buf::Pool(buf::make_pool("hold", 4095, 2048 + 128, -1)), 64, 16),
        sink_(clients) {
    tcp::Config config;
    config.max_connections = n + n / 8 + 128;  // room for the reserve
    config.quick_acks = 255;  // every segment is answered, however many a connection gets
    stack_ = std::make_unique<tcp::Stack>(config, sink_, wheel_, memory_, counters_, SipKey{1, 2});
    stack_->listen({kHere, 80}, &owner_);
  }

  // Adds to the burst that the next turn() brings in.
  void segment(size_t i, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t size) {
    tcp::Header h;
    h.source_port = client(i).port;
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
    buf::Slice s = buf::Pool(rx_).alloc();
    std::memcpy(s.mutable_data(), bytes.data(), n);
    s.grow_back(static_cast<uint32_t>(n) + size);
    burst_.push_back({client(i).address, kHere, 0, 0, std::move(s)});
  }

  // As the worker does it: a burst in, then what is due out. The cycles that it took.
  uint64_t turn() {
    const uint64_t begin = rte_rdtsc();
    stack_->input(burst_, now_);
    stack_->flush(now_);
    const uint64_t end = rte_rdtsc();
    burst_.clear();
    return end - begin;
  }

  // Opens connections [first, last) in bursts. Cycles each.
  double open(size_t first, size_t last) {
    uint64_t cycles = 0;
    for (size_t i = first; i < last; i += kBurst) {
      const size_t end = std::min(i + kBurst, last);
      for (size_t k = i; k < end; ++k) segment(k, tcp::kSyn, 1000, 0, 0);
      cycles += turn();
      for (size_t k = i; k < end; ++k) {
        clients[k].seq = 1001;
        segment(k, tcp::kAck, 1001, clients[k].iss + 1, 0);
      }
      cycles += turn();
    }
    return static_cast<double>(cycles) / static_cast<double>(last - first);
  }

  // A full segment for each of random connections, its ACK out. Cycles a segment.
  double data_in(size_t connections) {
    constexpr size_t kBursts = 2'000;
    Random r(7);
    uint64_t cycles = 0;
    for (size_t i = 0; i < kBursts; ++i) {
      for (size_t k = 0; k < kBurst; ++k) {
        const size_t which = r.below(connections);
        Client& c = clients[which];
        segment(which, tcp::kAck, c.seq, c.iss + 1, 1400);
        c.seq += 1400;
      }
      cycles += turn();
    }
    return static_cast<double>(cycles) / (kBursts * kBurst);
  }

  // Bulk over one connection more: data out, ACK in. Cycles a segment.
  double data_out(size_t connections) {
    open(connections, connections + 1);
    tcp::Connection* c = owner_.last;
    const std::vector<uint8_t> block(1460 * 4);
    uint32_t acked = clients[connections].iss + 1;
    uint64_t cycles = 0;
    constexpr int kBursts = 20'000;
    for (int i = 0; i < kBursts; ++i) {
      (void)c->send_queue().append_copy(block, memory_.hold());
      c->push();
      cycles += turn();
      acked += 1460 * 4;
      segment(connections, tcp::kAck, 1001, acked, 0);
      cycles += turn();
      now_ += 10us;
      wheel_.advance(now_);
    }
    c->abort();
    turn();
    return static_cast<double>(cycles) / kBursts / 4;
  }

  std::vector<Client> clients;

 private:
  static constexpr Address kHere = Address::v4(1);
  rte_mempool* rx_;
  Time now_{Duration(100s)};
  TimerWheel wheel_{now_};
  buf::Memory memory_;
  Sink sink_;
  tcp::Counters counters_;
  Owner owner_;
  std::unique_ptr<tcp::Stack> stack_;
  std::vector<tcp::Received> burst_;
};

}  // namespace

int main(int argc, char** argv) {
  const char* options[] = {"bench",    "--no-huge", "--no-pci",       "--no-shconf", "-m",   "128",
                           "--lcores", "0",         "--no-telemetry", "--log-level", "error"};
  if (rte_eal_init(static_cast<int>(std::size(options)), const_cast<char**>(options)) < 0) return 1;
  const size_t max = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  Bench b(max);
  const size_t before = resident();
  std::printf("%12s %16s %18s %18s %12s\n", "connections", "set-up cycles", "data in + ACK out",
              "data out + ACK in", "bytes each");
  size_t made = 0;
  for (size_t target = 1000; target <= max; target *= 10) {
    const double setup = b.open(made, target);
    made = target;
    const size_t bytes = (resident() - before) / made;
    const double in = b.data_in(made);
    std::printf("%12zu %16.0f %18.0f %18.0f %12zu\n", made, setup, in, b.data_out(made), bytes);
  }
  return 0;
}
