// Two workers of one process: each frame finds the worker of its flow, wherever it arrives.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/byte_order.h"
#include "buf/pool.h"
#include "ip/checksum.h"
#include "steer/exchange.h"
#include "steer/owner.h"
#include "tcp/header.h"
#include "test_port.h"
#include "worker/worker.h"

namespace sluice::worker {
namespace {

using Frame = std::vector<uint8_t>;
using Mac = std::array<uint8_t, 6>;

constexpr Mac kClientMac{2, 0, 0, 0, 0, 9};
constexpr Mac kSluiceMac{2, 0, 0, 0, 0, 1};
const Address kClient = *Address::parse("198.18.0.1");
const Endpoint kVip = *Endpoint::parse("198.18.0.10:50051");

Frame ethernet(const Mac& to, uint16_t type) {
  Frame f(to.begin(), to.end());
  f.insert(f.end(), kClientMac.begin(), kClientMac.end());
  f.resize(14);
  store_be16(f.data() + 12, type);
  return f;
}

// An ARP request of the client for the VIP.
Frame request() {
  Frame f = ethernet({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0x0806);
  const std::array<uint8_t, 8> arp{0, 1, 8, 0, 6, 4, 0, 1};
  f.insert(f.end(), arp.begin(), arp.end());
  f.insert(f.end(), kClientMac.begin(), kClientMac.end());
  f.insert(f.end(), kClient.v4_bytes(), kClient.v4_bytes() + 4);
  f.resize(f.size() + 6);
  f.insert(f.end(), kVip.address.v4_bytes(), kVip.address.v4_bytes() + 4);
  f.resize(60);
  return f;
}

Frame ipv4(const Address& from, const Address& to, uint8_t protocol, const Frame& content) {
  Frame f = ethernet(kSluiceMac, 0x0800);
  f.resize(34);
  uint8_t* ip = f.data() + 14;
  ip[0] = 0x45;
  store_be16(ip + 2, static_cast<uint16_t>(20 + content.size()));
  ip[8] = 64;
  ip[9] = protocol;
  std::copy_n(from.v4_bytes(), 4, ip + 12);
  std::copy_n(to.v4_bytes(), 4, ip + 16);
  store_be16(ip + 10, ip::checksum({ip, 20}));
  f.insert(f.end(), content.begin(), content.end());
  return f;
}

Frame segment(const Endpoint& from, const Endpoint& to, uint8_t flags, uint32_t seq = 0,
              uint32_t ack = 0) {
  tcp::Header h;
  h.source_port = from.port;
  h.destination_port = to.port;
  h.seq = seq;
  h.ack = ack;
  h.flags = flags;
  h.window = 65'535;
  Frame bytes(tcp::kMaxHeader);
  bytes.resize(tcp::emit(h, std::span<uint8_t, tcp::kMaxHeader>(bytes)));
  store_be16(bytes.data() + tcp::kChecksumOffset,
             ip::checksum_l4(from.address, to.address, 6, {bytes.data(), bytes.size()}));
  return ipv4(from.address, to.address, 6, bytes);
}
Frame segment(uint16_t port, uint8_t flags, uint32_t seq = 0, uint32_t ack = 0) {
  return segment({kClient, port}, kVip, flags, seq, ack);
}

// A router could not deliver a segment to the client's port.
Frame unreachable(uint16_t port) {
  Frame icmp{3, 1, 0, 0, 0, 0, 0, 0};
  Frame cited(28);
  cited[0] = 0x45;
  cited[9] = 6;
  std::copy_n(kVip.address.v4_bytes(), 4, cited.data() + 12);
  std::copy_n(kClient.v4_bytes(), 4, cited.data() + 16);
  store_be16(cited.data() + 20, kVip.port);
  store_be16(cited.data() + 22, port);
  icmp.insert(icmp.end(), cited.begin(), cited.end());
  store_be16(icmp.data() + 2, ip::checksum({icmp.data(), icmp.size()}));
  return ipv4(*Address::parse("198.18.0.254"), kVip.address, 1, icmp);
}

class TwoWorkers : public testing::Test {
 protected:
  using TestWorker = Worker<TestPort, TestClock>;
  static constexpr unsigned kWorkers = 2;

  TwoWorkers() {
    snapshot.generation = 1;
    snapshot.startup.workers = kWorkers;
    snapshot.startup.ports.resize(1);
    snapshot.startup.ports[0].addresses = {*Prefix::parse("198.18.0.2/24")};
    snapshot.startup.memory = {.connections = 4096, .half_open = 4096, .time_wait = 16};
    snapshot.services.push_back({.name = "echo"});
    snapshot.listeners.push_back({.name = "grpc", .address = kVip, .service = 0});
    published.set(&snapshot);
    for (unsigned w = 0; w < kWorkers; ++w) {
      hold[w].reset(buf::make_pool("two_hold" + std::to_string(w), 1023, 2176, -1));
      make(w);
    }
  }

  // sleeper: nullptr: the worker never sleeps.
  void make(unsigned w, Sleeper* sleeper = nullptr) {
    workers[w] = std::make_unique<TestWorker>(TestWorker::Setup{.ports = {&ports[w]},
                                                                .clock = clocks[w],
                                                                .rx = buf::Pool(rx.get()),
                                                                .hold = buf::Pool(hold[w].get()),
                                                                .pin_above = 64,
                                                                .published = published,
                                                                .orders = orders,
                                                                .workers = all,
                                                                .self = w,
                                                                .secret = kSecret,
                                                                .sleeper = sleeper,
                                                                .owner = &owner,
                                                                .exchange = &exchange});
  }

  void arrive(unsigned worker, const Frame& bytes) {
    buf::Slice s = buf::Pool(rx.get()).alloc();
    ASSERT_TRUE(static_cast<bool>(s));
    s.grow_back(static_cast<uint32_t>(bytes.size()));
    std::copy(bytes.begin(), bytes.end(), s.mutable_data());
    ports[worker].arriving.push_back(std::move(s));
  }
  bool turn(unsigned worker, Duration took = 1us) {
    clocks[worker].now += static_cast<uint64_t>(took.count());
    return workers[worker]->turn();
  }
  // The worker at which something arrives, and then the other.
  void turns(unsigned first) {
    turn(first);
    turn(1 - first);
  }
  // Both know the client, and have announced.
  void begin() {
    arrive(0, request());
    turns(0);
    for (TestPort& p : ports) p.sent.clear();
  }
  unsigned owner_of(uint16_t port) const { return owner.by_hash(kVip, {kClient, port}); }
  uint16_t port_of(unsigned worker) const {
    uint16_t port = 1024;
    while (owner_of(port) != worker) ++port;
    return port;
  }
  // The segments that a worker has sent, without ARP.
  std::vector<tcp::Header> segments(unsigned worker) const {
    std::vector<tcp::Header> all;
    for (const Frame& f : ports[worker].sent)
      if (load_be16(f.data() + 12) == 0x0800) all.push_back(header(f));
    return all;
  }
  static tcp::Header header(const Frame& frame) {
    return tcp::parse({frame.data() + 34, frame.size() - 34})->header;
  }

  struct Free {
    void operator()(rte_mempool* p) const { buf::free_pool(p); }
  };
  using Pool = std::unique_ptr<rte_mempool, Free>;
  static constexpr SipKey kSecret{1, 2};

  Pool rx{buf::make_pool("two_rx", 16'383, 512, -1)};
  std::array<Pool, kWorkers> hold;
  config::Snapshot snapshot;
  config::Published published;
  Orders orders;
  std::array<stats::Worker, kWorkers> counters;
  std::vector<stats::Worker*> all{&counters[0], &counters[1]};
  std::array<TestClock, kWorkers> clocks;
  std::array<TestPort, kWorkers> ports;
  std::array<steer::OwnerPort, 1> owner_ports{
      steer::OwnerPort{.addresses = {*Prefix::parse("198.18.0.2/24")}, .rss = {}}};
  steer::Owner owner{kWorkers, kSecret, owner_ports, {}};
  // Of workers that sleep.
  std::array<std::unique_ptr<Sleeper>, kWorkers> sleepers;
  steer::Exchange exchange{kWorkers, [this](unsigned w) {
                             if (sleepers[w] != nullptr) sleepers[w]->wake();
                           }};
  std::array<std::unique_ptr<TestWorker>, kWorkers> workers;
};

TEST_F(TwoWorkers, only_one_announces) {
  turns(0);
  EXPECT_FALSE(ports[0].sent.empty());
  EXPECT_TRUE(ports[1].sent.empty());
}

TEST_F(TwoWorkers, both_know_a_neighbour_that_one_heard) {
  arrive(0, request());
  turns(0);
  for (unsigned w = 0; w < kWorkers; ++w) {
    turn(w, 2ms);
    turn(w);
    EXPECT_EQ(counters[w].port(0).neighbours.get(), 1u) << w;
  }
}

TEST_F(TwoWorkers, a_syn_is_answered_by_the_worker_of_its_flow_wherever_it_arrives) {
  begin();
  for (unsigned at = 0; at < kWorkers; ++at)
    for (unsigned of = 0; of < kWorkers; ++of) {
      for (TestPort& p : ports) p.sent.clear();
      arrive(at, segment(static_cast<uint16_t>(port_of(of)), tcp::kSyn, 100));
      turns(at);
      EXPECT_TRUE(segments(1 - of).empty());
      ASSERT_EQ(segments(of).size(), 1u) << at << " " << of;
      const tcp::Header answer = segments(of)[0];
      EXPECT_TRUE(answer.has(tcp::kSyn) && answer.has(tcp::kAck));
      EXPECT_EQ(answer.ack, 101u);
    }
}

TEST_F(TwoWorkers, a_connection_goes_on_when_its_segments_change_the_worker_at_which_they_arrive) {
  begin();
  const uint16_t port = port_of(1);
  arrive(1, segment(port, tcp::kSyn, 100));
  turns(1);
  ASSERT_EQ(segments(1).size(), 1u);
  const uint32_t iss = segments(1)[0].seq;
  arrive(0, segment(port, tcp::kAck, 101, iss + 1));
  turns(0);
  EXPECT_EQ(counters[1].tcp.accepted.get(), 1u);
  EXPECT_EQ(counters[0].tcp.resets_out.get() + counters[1].tcp.resets_out.get(), 0u);
  EXPECT_EQ(counters[0].steer.handed_over.get(), 1u);
  EXPECT_EQ(counters[1].steer.taken_over.get(), 1u);
}

TEST_F(TwoWorkers, a_segment_of_no_flow_is_handed_over_once_and_then_reset) {
  begin();
  arrive(0, segment(port_of(1), tcp::kAck, 5, 900));
  turns(0);
  turns(0);
  EXPECT_TRUE(segments(0).empty());
  ASSERT_EQ(segments(1).size(), 1u);
  EXPECT_TRUE(segments(1)[0].has(tcp::kRst));
  EXPECT_EQ(counters[1].steer.handed_over.get(), 0u);
}

TEST_F(TwoWorkers, a_segment_is_counted_where_it_arrives) {
  begin();
  arrive(0, segment(port_of(1), tcp::kSyn));
  turns(0);
  EXPECT_EQ(counters[0].tcp.segments_in.get(), 1u);
  EXPECT_EQ(counters[0].port(0).tcp_segments.get(), 1u);
  EXPECT_EQ(counters[1].tcp.segments_in.get(), 0u);
}

TEST_F(TwoWorkers, an_icmp_error_reaches_the_worker_of_the_flow_that_it_quotes) {
  begin();
  arrive(0, unreachable(port_of(1)));
  turns(0);
  EXPECT_EQ(counters[0].tcp.icmp_ignored.get(), 0u);
  EXPECT_EQ(counters[1].tcp.icmp_ignored.get(), 1u);  // TCP looked, and knows no such connection
  EXPECT_EQ(counters[0].port(0).drop_counter(stats::Drop::kIcmpUnmatched).get(), 0u);
}

// The client's host is the pod, too.
TEST_F(TwoWorkers, a_forwarded_flow_is_that_of_one_worker_wherever_its_packets_arrive) {
  const Endpoint vip{kVip.address, 80}, pod{kClient, 8080}, own = *Endpoint::parse("198.18.0.2:0");
  config::Snapshot next = snapshot;
  next.generation = 2;
  next.services[0].pods = {{.endpoint = pod}};
  const Maglev::Backend only{1, 1};
  next.services[0].table.maglev = std::make_shared<const Maglev>(std::span(&only, 1));
  next.listeners.push_back(
      {.name = "tcp", .address = vip, .protocol = config::Protocol::kTcp, .slot = 1});
  published.set(&next);
  begin();
  for (unsigned at = 0; at < kWorkers; ++at)
    for (unsigned of = 0; of < kWorkers; ++of) {
      for (TestPort& p : ports) p.sent.clear();
      auto port = static_cast<uint16_t>(10'000 * (1 + at));
      while (owner.by_hash(vip, {kClient, port}) != of) ++port;
      arrive(at, segment({kClient, port}, vip, tcp::kSyn, 100));
      turns(at);
      EXPECT_TRUE(segments(1 - of).empty());
      ASSERT_EQ(segments(of).size(), 1u) << at << " " << of;
      const tcp::Header syn = segments(of)[0];
      EXPECT_EQ(syn.destination_port, pod.port);
      EXPECT_EQ(owner.by_share(syn.source_port), of);
      for (TestPort& p : ports) p.sent.clear();
      arrive(at, segment(pod, {own.address, syn.source_port}, tcp::kSyn | tcp::kAck, 7, 101));
      turns(at);
      EXPECT_TRUE(segments(1 - of).empty());
      ASSERT_EQ(segments(of).size(), 1u) << at << " " << of;
      EXPECT_EQ(segments(of)[0].source_port, vip.port);
      EXPECT_EQ(segments(of)[0].destination_port, port);
    }
  EXPECT_EQ(counters[0].l4.flows_begun.get(), 2u);
  EXPECT_EQ(counters[1].l4.flows_begun.get(), 2u);
  published.set(&snapshot);
}

TEST_F(TwoWorkers, packets_for_which_the_other_worker_has_no_room_are_dropped_and_counted) {
  begin();
  const uint32_t before = buf::Pool(rx.get()).available();
  constexpr unsigned kFrames = steer::Exchange::kPackets + 100;
  for (unsigned i = 0; i < kFrames; ++i) arrive(0, segment(port_of(1), tcp::kRst));
  for (unsigned i = 0; i < 10; ++i) turn(0);
  EXPECT_EQ(counters[0].steer.handed_over.get(), steer::Exchange::kPackets);
  EXPECT_EQ(counters[0].steer.overflow.get(), 100u);
  for (unsigned i = 0; i < 10; ++i) turn(1);
  EXPECT_EQ(counters[1].steer.taken_over.get(), steer::Exchange::kPackets);
  EXPECT_EQ(buf::Pool(rx.get()).available(), before);
}

TEST_F(TwoWorkers, a_worker_that_has_drained_hands_over_until_the_other_has) {
  begin();
  const uint16_t port = port_of(1);
  arrive(1, segment(port, tcp::kSyn, 100));
  turns(1);
  const uint32_t iss = segments(1).at(0).seq;
  arrive(1, segment(port, tcp::kAck, 101, iss + 1));
  turns(1);
  ASSERT_EQ(counters[1].tcp.accepted.get(), 1u);
  orders.give(Order::kDrain);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_TRUE(turn(0));
    EXPECT_TRUE(turn(1));
  }
  arrive(0, segment(port, tcp::kRst, 101));
  EXPECT_TRUE(turn(0));
  for (unsigned i = 0; i < 3 && turn(1); ++i) {
  }
  EXPECT_FALSE(turn(1));
  EXPECT_FALSE(turn(0));
}

// The frames of a worker that sleeps arrive at another one, while the configuration changes.
TEST_F(TwoWorkers, a_worker_that_sleeps_wakes_for_packets_of_another_worker_and_for_a_drain) {
  constexpr unsigned kFrames = 60;
  config::Snapshot later = snapshot;
  later.generation = 2;
  for (unsigned w = 0; w < kWorkers; ++w) {
    sleepers[w] = std::make_unique<Sleeper>(std::vector<int>{});
    make(w, sleepers[w].get());
  }
  begin();
  std::atomic<bool> ended{false};
  std::thread sleepy([&] {
    while (turn(1, 10us)) {
    }
    ended = true;
  });
  using Wall = std::chrono::steady_clock;
  std::vector<Duration> waits;
  const auto port = port_of(1);
  const uint64_t before = counters[1].steer.taken_over.get();
  for (unsigned i = 0; i < kFrames; ++i) {
    while (!sleepers[1]->announced()) std::this_thread::yield();
    std::this_thread::sleep_for(200us);
    const auto begin = Wall::now();
    arrive(0, segment(port, tcp::kRst, i));
    turn(0);
    while (counters[1].steer.taken_over.get() < before + i + 1) std::this_thread::yield();
    waits.push_back(Wall::now() - begin);
    published.set(i % 2 == 0 ? &later : &snapshot);
  }
  std::sort(waits.begin(), waits.end());
  // On a busy machine threads wait for their cores. Without a wake-up each wait is the longest.
  EXPECT_LT(waits[kFrames / 4], Sleeper::kLongest / 2) << "it slept on";
  EXPECT_GT(counters[1].stages.sleeps.get(), kFrames / 2);
  orders.give(Order::kDrain);
  while (turn(0, 10us)) {
  }
  sleepy.join();
  EXPECT_TRUE(ended);
}

// Each worker sleeps between bursts of frames, of which half are the other's. So each wakes the
// other while it goes to sleep, sleeps, or runs, and reloads and the drain come at any of these
// moments.
TEST_F(TwoWorkers, hand_over_sleep_wake_each_other_reload_and_drain_on_two_threads) {
  constexpr unsigned kBursts = 150, kBurstFrames = 20;
  std::array<config::Snapshot, 4> later;
  for (size_t i = 0; i < later.size(); ++i) {
    later[i] = snapshot;
    later[i].generation = i + 2;
  }
  for (unsigned w = 0; w < kWorkers; ++w) {
    sleepers[w] = std::make_unique<Sleeper>(std::vector<int>{});
    make(w, sleepers[w].get());
  }
  std::array<std::atomic<unsigned>, kWorkers> bursts{};
  std::array<std::thread, kWorkers> threads;
  for (unsigned w = 0; w < kWorkers; ++w)
    threads[w] = std::thread([&, w] {
      uint64_t slept = 0;
      bool running = true;
      while (running) {
        // The next burst comes after a sleep, which the other worker may have ended early.
        const uint64_t sleeps = counters[w].stages.sleeps.get();
        if (bursts[w] < kBursts && (bursts[w] == 0 || sleeps > slept)) {
          slept = sleeps;
          if (bursts[w] % 10 == 0) arrive(w, request());
          for (unsigned i = 0; i < kBurstFrames; ++i)
            arrive(w, segment(static_cast<uint16_t>(1024 + i), tcp::kRst, bursts[w]));
          ++bursts[w];
        }
        running = turn(w, 10us);
        ports[w].sent.clear();
      }
    });
  const auto wait_for = [&](unsigned n) {
    while (bursts[0] < n || bursts[1] < n) std::this_thread::yield();
  };
  const auto wake_both = [&] {
    for (auto& s : sleepers) s->wake();
  };
  for (size_t i = 0; i < later.size(); ++i) {
    wait_for(static_cast<unsigned>((i + 1) * kBursts / (later.size() + 1)));
    published.set(&later[i]);
    wake_both();
  }
  wait_for(kBursts);
  orders.give(Order::kDrain);
  wake_both();
  for (std::thread& t : threads) t.join();
  uint64_t given = 0, taken = 0;
  for (const stats::Worker& w : counters) {
    EXPECT_GE(w.stages.sleeps.get(), kBursts - 1);
    EXPECT_EQ(w.generation(), later.size() + 1);
    EXPECT_EQ(w.steer.overflow.get(), 0u);
    given += w.steer.handed_over.get();
    taken += w.steer.taken_over.get();
  }
  EXPECT_GT(given, kBursts * kBurstFrames / 2);
  EXPECT_GE(given, taken);
  EXPECT_LE(given - taken, 2 * kBurstFrames) << "the last ones may come after the drain";
}

// Both workers run on threads of their own. The frames that each receives belong to either. The
// buffers are not used a second time: the sanitizer does not see the order that DPDK's pool keeps.
TEST_F(TwoWorkers, run_on_two_threads_through_reloads_and_a_drain) {
  constexpr unsigned kFrames = 4'000;
  std::array<config::Snapshot, 4> later;
  for (size_t i = 0; i < later.size(); ++i) {
    later[i] = snapshot;
    later[i].generation = i + 2;
    if (i % 2 == 0) later[i].listeners.clear();
  }
  std::array<std::thread, kWorkers> threads;
  std::array<std::atomic<unsigned>, kWorkers> arrived{};
  for (unsigned w = 0; w < kWorkers; ++w)
    threads[w] = std::thread([&, w] {
      bool running = true;
      for (unsigned i = 0; running; ++i) {
        if (i < kFrames) {
          const auto port = static_cast<uint16_t>(1024 + i % 1000);
          arrive(w, i % 100 == 0 ? request()
                    : i % 7 == 0 ? unreachable(port)
                                 : segment(port, i % 3 == 0 ? tcp::kSyn : tcp::kRst, i));
          arrived[w].fetch_add(1, std::memory_order_relaxed);
        }
        running = turn(w);
        ports[w].sent.clear();
      }
    });
  const auto all_arrived = [&](unsigned n) {
    return std::all_of(arrived.begin(), arrived.end(), [n](const auto& a) { return a >= n; });
  };
  for (size_t i = 0; i < later.size(); ++i) {
    while (!all_arrived(static_cast<unsigned>((i + 1) * kFrames / (later.size() + 1))))
      std::this_thread::yield();
    published.set(&later[i]);
  }
  while (!all_arrived(kFrames)) std::this_thread::yield();
  orders.give(Order::kDrain);
  for (std::thread& t : threads) t.join();
  for (const stats::Worker& w : counters) {
    // Each worker had taken 800 frames before the first change, half of them the other's. A frame
    // that finds no listener is not handed over.
    EXPECT_GT(w.steer.handed_over.get() + w.steer.overflow.get(), 300u);
    EXPECT_EQ(w.generation(), later.size() + 1);
  }
  for (unsigned w = 0; w < kWorkers; ++w)
    EXPECT_LE(counters[w].steer.taken_over.get(), counters[1 - w].steer.handed_over.get());
}

}  // namespace
}  // namespace sluice::worker
