// The production loop over a port and a clock that the test holds in its hands.

#include "worker/worker.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "base/byte_order.h"
#include "buf/pool.h"
#include "ip/checksum.h"
#include "test_port.h"

namespace sluice::worker {
namespace {

class WorkerLoop : public testing::Test {
 protected:
  WorkerLoop() {
    snapshot.generation = 1;
    snapshot.startup.ports.resize(2);
    snapshot.startup.ports[0].addresses = {*Prefix::parse("198.18.0.2/24")};
    snapshot.startup.ports[1].addresses = {*Prefix::parse("198.18.1.1/24")};
    snapshot.startup.memory = {.connections = 64, .half_open = 16, .time_wait = 16};
    snapshot.services.push_back({.name = "echo"});
    snapshot.listeners.push_back(
        {.name = "grpc", .address = *Endpoint::parse("198.18.0.10:50051"), .service = 0});
    published.set(&snapshot);
    worker = std::make_unique<Worker<TestPort, TestClock>>(
        Worker<TestPort, TestClock>::Setup{.ports = {&north, &south},
                                           .clock = clock,
                                           .rx = buf::Pool(rx.get()),
                                           .hold = buf::Pool(hold.get()),
                                           .pin_above = 64,
                                           .published = published,
                                           .orders = orders,
                                           .workers = all,
                                           .self = 0,
                                           .secret = {1, 2}});
  }

  bool turn(uint64_t cycles = 1000) {
    clock.now += cycles;
    return worker->turn();
  }
  // Turns until what the worker publishes now and then is up to date.
  void publish() {
    turn(2'000'000);
    turn();
  }

  // An ARP request of 198.18.0.1 for `target`.
  void ask_for(const char* target) {
    std::vector<uint8_t> f(60);
    std::fill_n(f.begin(), 6, 0xff);
    const std::array<uint8_t, 6> mac{2, 0, 0, 0, 0, 9};
    std::copy(mac.begin(), mac.end(), f.begin() + 6);
    const std::array<uint8_t, 10> arp{8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
    std::copy(arp.begin(), arp.end(), f.begin() + 12);
    std::copy(mac.begin(), mac.end(), f.begin() + 22);
    std::copy_n(Address::parse("198.18.0.1")->v4_bytes(), 4, f.begin() + 28);
    std::copy_n(Address::parse(target)->v4_bytes(), 4, f.begin() + 38);
    arrive(f);
  }
  void arrive(const std::vector<uint8_t>& bytes) {
    buf::Slice s = buf::Pool(rx.get()).alloc();
    ASSERT_TRUE(static_cast<bool>(s));
    s.grow_back(static_cast<uint32_t>(bytes.size()));
    std::copy(bytes.begin(), bytes.end(), s.mutable_data());
    north.arriving.push_back(std::move(s));
  }

  struct Free {
    void operator()(rte_mempool* p) const { buf::free_pool(p); }
  };
  std::unique_ptr<rte_mempool, Free> rx{buf::make_pool("worker_rx", 1023, 2176, -1)};
  std::unique_ptr<rte_mempool, Free> hold{buf::make_pool("worker_hold", 1023, 2176, -1)};
  config::Snapshot snapshot;
  config::Published published;
  Orders orders;
  stats::Worker counters;
  std::vector<stats::Worker*> all{&counters};
  TestClock clock;
  TestPort north, south;
  std::unique_ptr<Worker<TestPort, TestClock>> worker;
};

TEST_F(WorkerLoop, the_first_turn_announces_addresses_and_adopts_the_snapshot) {
  EXPECT_EQ(counters.generation(), 0u);
  EXPECT_TRUE(turn());
  EXPECT_EQ(counters.generation(), 1u);
  EXPECT_GE(north.sent.size(), 2u);  // its own address and the VIP
  EXPECT_GE(south.sent.size(), 1u);
  const size_t announced = north.sent.size();
  EXPECT_TRUE(turn());
  EXPECT_EQ(north.sent.size(), announced);
}

TEST_F(WorkerLoop, a_port_whose_link_has_come_up_is_announced_again_and_no_other) {
  constexpr size_t kAnnounced = 2;  // its own address and the VIP
  turn();
  north.sent.clear();
  south.sent.clear();
  orders.announce(0);
  turn();
  ASSERT_EQ(north.sent.size(), kAnnounced);
  for (const auto& frame : north.sent) {
    EXPECT_EQ(frame[0], 0xff) << "broadcast";
    EXPECT_EQ(frame[13], 0x06) << "ARP";
  }
  EXPECT_TRUE(south.sent.empty());
  turn();
  EXPECT_EQ(north.sent.size(), kAnnounced);
  orders.announce(0);
  orders.announce(1);
  turn();
  EXPECT_EQ(north.sent.size(), 2 * kAnnounced);
  EXPECT_EQ(south.sent.size(), 1u);
}

TEST_F(WorkerLoop, a_request_is_answered_in_the_turn_that_received_it) {
  turn();
  north.sent.clear();
  ask_for("198.18.0.10");
  turn();
  ASSERT_EQ(north.sent.size(), 1u);
  EXPECT_EQ(north.sent[0][21], 2);  // ARP reply
  EXPECT_EQ(north.flushes, 2u);
}

TEST_F(WorkerLoop, what_pods_say_is_heard_before_what_clients_ask) {
  std::vector<const TestPort*> order;
  north.received = south.received = &order;
  turn();
  EXPECT_EQ(order, (std::vector<const TestPort*>{&south, &north}));
}

TEST_F(WorkerLoop, a_new_snapshot_is_adopted_and_the_old_one_released) {
  turn();
  config::Snapshot next = snapshot;
  next.generation = 2;
  next.listeners[0].address = *Endpoint::parse("198.18.0.11:50051");
  published.set(&next);
  turn();
  EXPECT_EQ(counters.generation(), 2u);
  north.sent.clear();
  ask_for("198.18.0.11");
  turn();
  EXPECT_EQ(north.sent.size(), 1u);
  published.set(nullptr);
  worker.reset();
}

TEST_F(WorkerLoop, sleeps_when_nothing_came_for_a_while_and_never_while_something_comes) {
  worker.reset();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Sleeper sleeper({ends[0]});
  worker = std::make_unique<Worker<TestPort, TestClock>>(
      Worker<TestPort, TestClock>::Setup{.ports = {&north, &south},
                                         .clock = clock,
                                         .rx = buf::Pool(rx.get()),
                                         .hold = buf::Pool(hold.get()),
                                         .pin_above = 64,
                                         .published = published,
                                         .orders = orders,
                                         .workers = all,
                                         .self = 0,
                                         .secret = {1, 2},
                                         .sleeper = &sleeper});
  for (int i = 0; i < 100; ++i) {
    if (i % 3 == 0) ask_for("198.18.0.10");
    turn(10'000);
  }
  EXPECT_EQ(counters.stages.sleeps.get(), 0u);
  north.holds = true;  // frames that came while another port was asked
  for (int i = 0; i < 20; ++i) turn(10'000);
  EXPECT_FALSE(sleeper.announced());
  north.holds = false;
  for (int i = 0; i < 5; ++i) turn(10'000);
  EXPECT_EQ(counters.stages.sleeps.get(), 0u);
  EXPECT_TRUE(sleeper.announced()) << "it looks at everything once more";
  EXPECT_TRUE(north.interrupting && south.interrupting) << "before that look";
  turn(10'000);
  EXPECT_EQ(counters.stages.sleeps.get(), 1u);
  EXPECT_FALSE(sleeper.announced());
  EXPECT_FALSE(north.interrupting || south.interrupting);
  ask_for("198.18.0.10");
  const uint64_t slept = counters.stages.sleeps.get();
  for (int i = 0; i < 4; ++i) turn(10'000);
  EXPECT_EQ(counters.stages.sleeps.get(), slept);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(WorkerLoop, drops_are_counted_at_the_port_that_received_them) {
  arrive({1, 2, 3});
  turn();
  EXPECT_EQ(counters.port(0).drop_counter(stats::Drop::kEthernetShort).get(), 1u);
  EXPECT_EQ(counters.port(1).drop_counter(stats::Drop::kEthernetShort).get(), 0u);
}

TEST_F(WorkerLoop, neighbours_are_counted_at_their_port) {
  ask_for("198.18.0.10");
  turn();
  publish();
  EXPECT_EQ(counters.port(0).neighbours.get(), 1u);
  EXPECT_EQ(counters.port(1).neighbours.get(), 0u);
  EXPECT_EQ(counters.port(0).neighbours_evicted.get(), 0u);
}

// From a router: a segment from 198.18.0.10:50051 to 198.18.0.1:9999 could not be delivered.
// `quote` bytes of it are cited.
std::vector<uint8_t> icmp_error(uint8_t code, size_t quote) {
  std::vector<uint8_t> f(14 + 20 + 8);
  const std::array<uint8_t, 14> ethernet{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0};
  std::copy(ethernet.begin(), ethernet.end(), f.begin());
  uint8_t* ip = f.data() + 14;
  ip[0] = 0x45;
  store_be16(ip + 2, static_cast<uint16_t>(28 + quote));
  ip[8] = 64;
  ip[9] = 1;
  std::copy_n(Address::parse("198.18.0.254")->v4_bytes(), 4, ip + 12);
  std::copy_n(Address::parse("198.18.0.10")->v4_bytes(), 4, ip + 16);
  store_be16(ip + 10, ip::checksum({ip, 20}));
  std::vector<uint8_t> cited(40);
  cited[0] = 0x45;
  cited[9] = 6;
  std::copy_n(Address::parse("198.18.0.10")->v4_bytes(), 4, cited.data() + 12);
  std::copy_n(Address::parse("198.18.0.1")->v4_bytes(), 4, cited.data() + 16);
  store_be16(cited.data() + 20, 50051);
  store_be16(cited.data() + 22, 9999);
  f.insert(f.end(), cited.begin(), cited.begin() + static_cast<long>(quote));
  uint8_t* icmp = f.data() + 34;
  icmp[0] = 3;
  icmp[1] = code;
  store_be16(icmp + 2, ip::checksum({icmp, 8 + quote}));
  return f;
}

TEST_F(WorkerLoop, an_icmp_error_goes_to_tcp_when_it_cites_ports_and_sequence_number) {
  arrive(icmp_error(4, 28));
  arrive(icmp_error(1, 40));
  turn();
  publish();
  EXPECT_EQ(counters.tcp.icmp_ignored.get(), 2u);  // TCP looked, and knows no such connection
  EXPECT_EQ(counters.port(0).drop_counter(stats::Drop::kIcmpUnmatched).get(), 0u);
}

TEST_F(WorkerLoop, an_icmp_error_that_cites_less_is_dropped_at_every_length) {
  for (size_t quote = 0; quote < 28; ++quote) arrive(icmp_error(4, quote));
  turn();
  publish();
  EXPECT_EQ(counters.port(0).drop_counter(stats::Drop::kIcmpUnmatched).get(), 28u);
  EXPECT_EQ(counters.tcp.icmp_ignored.get(), 0u);
}

TEST_F(WorkerLoop, a_flooded_port_leaves_the_rest_of_the_turn_to_others) {
  for (int i = 0; i < 600; ++i) arrive({1, 2, 3});
  turn();
  EXPECT_EQ(north.arriving.size(), 600u - 4 * 64);
  EXPECT_EQ(south.receive_calls, 1u);
}

TEST_F(WorkerLoop, no_buffer_is_lost_to_what_arrives) {
  turn();
  const uint32_t before = buf::Pool(rx.get()).available();
  for (int i = 0; i < 200; ++i) {
    arrive({1, 2, 3});
    ask_for("198.18.0.10");
    turn();
  }
  EXPECT_EQ(buf::Pool(rx.get()).available(), before);
}

TEST_F(WorkerLoop, only_turns_with_work_are_busy) {
  turn(1000);  // announces
  turn(1000);
  turn(1000);
  const uint64_t busy = counters.cycles_busy.get();
  turn(500);
  turn(500);
  EXPECT_EQ(counters.cycles_busy.get(), busy);
  arrive({1, 2, 3});
  turn(500);
  turn(700);  // now the turn before is known to have taken 700
  EXPECT_EQ(counters.cycles_busy.get(), busy + 700);
  EXPECT_EQ(counters.cycles.get(), clock.now - kStart);
}

TEST_F(WorkerLoop, cycles_in_drivers_count_as_busy_only_in_turns_with_work) {
  turn();  // announces
  turn();
  north.numbers.driver_cycles += 30;  // a poll that finds nothing
  turn();
  EXPECT_EQ(counters.cycles_io_busy.get(), 0u);
  arrive({1, 2, 3});
  turn();
  north.numbers.driver_cycles += 5;
  south.numbers.driver_cycles += 2;
  turn();
  EXPECT_EQ(counters.cycles_io_busy.get(), 7u);
}

TEST_F(WorkerLoop, what_ports_count_is_published) {
  north.numbers.tx_full = 3;
  north.numbers.driver_cycles = 40;
  south.numbers.driver_cycles = 2;
  arrive({1, 2, 3});
  turn();
  publish();
  EXPECT_EQ(counters.port(0).drop_counter(stats::Drop::kTxFull).get(), 3u);
  EXPECT_EQ(counters.port(0).rx_packets.get(), 1u);
  EXPECT_EQ(counters.cycles_io.get(), 42u);
  EXPECT_GT(counters.rx_buffers_free.get(), 0u);
}

TEST_F(WorkerLoop, an_idle_worker_that_drains_ends) {
  turn();
  orders.give(Order::kDrain);
  bool running = true;
  for (int i = 0; i < 10 && running; ++i) running = turn(100'000'000);
  EXPECT_FALSE(running);
}

TEST_F(WorkerLoop, the_last_frames_have_10_ms_to_be_taken_by_the_device) {
  turn();
  north.stuck = 1;
  orders.give(Order::kEnd);
  EXPECT_TRUE(turn());
  EXPECT_TRUE(turn(5'000'000));
  north.takes = true;
  EXPECT_FALSE(turn());
}

TEST_F(WorkerLoop, a_device_that_takes_nothing_more_does_not_keep_the_worker_from_ending) {
  turn();
  north.stuck = 1;
  orders.give(Order::kEnd);
  EXPECT_TRUE(turn());
  EXPECT_FALSE(turn(10'000'000));
}

TEST_F(WorkerLoop, the_order_to_end_is_obeyed_at_once) {
  turn();
  orders.give(Order::kEnd);
  EXPECT_FALSE(turn());
}

// From 198.18.0.1 to 198.18.0.10:50051.
std::vector<uint8_t> syn_frame() {
  std::vector<uint8_t> f(14 + 20 + 20);
  const std::array<uint8_t, 14> ethernet{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0};
  std::copy(ethernet.begin(), ethernet.end(), f.begin());
  uint8_t* ip = f.data() + 14;
  ip[0] = 0x45;
  store_be16(ip + 2, 40);
  ip[8] = 64;
  ip[9] = 6;
  const Address client = *Address::parse("198.18.0.1"), vip = *Address::parse("198.18.0.10");
  std::copy_n(client.v4_bytes(), 4, ip + 12);
  std::copy_n(vip.v4_bytes(), 4, ip + 16);
  store_be16(ip + 10, ip::checksum({ip, 20}));
  uint8_t* tcp = ip + 20;
  store_be16(tcp, 40'000);
  store_be16(tcp + 2, 50051);
  tcp[12] = 0x50;
  tcp[13] = 2;
  store_be16(tcp + 14, 0xffff);
  store_be16(tcp + 16, ip::checksum_l4(client, vip, 6, {tcp, 20}));
  return f;
}

TEST_F(WorkerLoop, a_listener_may_become_one_that_relays_bytes_and_change_back) {
  turn();
  std::deque<config::Snapshot> snapshots;
  for (const auto protocol : {config::Protocol::kTcp, config::Protocol::kH2c,
                              config::Protocol::kTls, config::Protocol::kH2c}) {
    config::Snapshot& next = snapshots.emplace_back(snapshot);
    next.generation = 1 + snapshots.size();
    next.listeners[0].protocol = protocol;
    if (protocol == config::Protocol::kTcp) next.listeners[0].l4.mode = config::Forward::kRelay;
    published.set(&next);
    ask_for("198.18.0.10");
    turn();
    north.sent.clear();
    arrive(syn_frame());
    turn();
    std::erase_if(north.sent, [](const auto& f) { return f[12] != 8 || f[13] != 0 || f[23] != 6; });
    ASSERT_EQ(north.sent.size(), 1u);
    EXPECT_EQ(north.sent[0][14 + 20 + 13], 0x12) << "SYN-ACK";
    turn(3'600'000'000'000);  // forgets the handshake
  }
  published.set(nullptr);
  worker.reset();
}

}  // namespace
}  // namespace sluice::worker
