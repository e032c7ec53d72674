// Flows through the forwarder: how they begin, where they lead, and how they end.

#include "l4/forwarder.h"

#include <gtest/gtest.h>

#include <deque>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "fixture.h"

namespace sluice::l4 {
namespace {

class Forwarding : public ForwarderTest {};

// Bytes of the process's memory that have pages.
size_t resident() {
  size_t all = 0, pages = 0;
  std::ifstream("/proc/self/statm") >> all >> pages;
  return pages * 4096;
}

TEST_F(Forwarding, a_listener_that_a_reload_adds_finds_its_table_in_memory) {
  constexpr size_t kMany = 250'000;
  // Two entries a flow, and as many free slots; the kernel counts pages roughly.
  constexpr size_t kTable = (size_t{1} << 26) / 100 * 99;
  Populator populator(1);
  Forwarder other({.host = dual,
                   .wheel = wheel,
                   .stats = counters,
                   .sources = {},
                   .flows = kMany,
                   .secret = {1, 2},
                   .seed = 3,
                   .populator = &populator});
  other.adopt({});
  const size_t before = resident();
  EXPECT_FALSE(other.active());
  other.adopt(snapshot);
  EXPECT_TRUE(other.active());
  for (int i = 0; i < 1'000 && resident() < before + kTable; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_GE(resident(), before + kTable);
}

TEST_F(Forwarding, every_packet_of_a_connection_goes_to_the_same_pod) {
  std::map<uint16_t, Endpoint> pods;
  for (uint16_t p = 40'000; p < 40'020; ++p) pods[p] = connect(p).destination;
  std::set<Endpoint> used;
  for (const auto& [port, to] : pods) {
    expect_reaches(port, to);
    used.insert(to);
  }
  EXPECT_GT(used.size(), 1u);
}

TEST_F(Forwarding, another_appliance_with_another_secret_chooses_the_same_pods) {
  Forwarder other({.host = dual,
                   .wheel = wheel,
                   .stats = counters,
                   .sources = {{}, {own}},
                   .flows = kFlows,
                   .secret = {77, 78},
                   .seed = 79});
  other.adopt(snapshot);
  for (uint16_t p = 40'000; p < 40'020; ++p) {
    arrive(kNorth, from_client(p, kSyn));
    const Endpoint to = only(south).destination;
    Pending pending{.packet = received(kNorth, from_client(p, kSyn)),
                    .place = {Place::Kind::kVip, 0}};
    other.input({&pending, 1}, now, [](ip::TransportPacket&, bool) { FAIL(); });
    EXPECT_EQ(only(south).destination.str(), to.str());
  }
}

TEST_F(Forwarding, tcp_answers_for_segments_of_no_flow_and_for_services_without_pods) {
  EXPECT_TRUE(arrive(kNorth, from_client(40'000, kAck)));
  EXPECT_EQ(counters.l4.no_flow.get(), 1u);
  snapshot.services[0].pods.clear();
  adopt();
  EXPECT_TRUE(arrive(kNorth, from_client(40'000, kSyn)));
  EXPECT_EQ(counters.l4.refused_no_pod.get(), 1u);
}

TEST_F(Forwarding, other_endpoints_are_not_its_own) {
  Packet other = from_client(40'000, kSyn);
  other.destination.port = 81;
  EXPECT_TRUE(arrive(kNorth, other));
  EXPECT_TRUE(sent(south).empty());
}

TEST_F(Forwarding, flows_of_a_pod_or_a_listener_that_left_go_on) {
  const Packet syn = connect(40'000);
  auto& pods = snapshot.services[0].pods.edit();
  std::erase_if(pods, [&](const config::Pod& p) { return p.endpoint == syn.destination; });
  adopt();
  expect_reaches(40'000, syn.destination);
  snapshot.listeners.clear();
  adopt();
  expect_reaches(40'000, syn.destination);
  EXPECT_EQ(forwarder.vips(), std::vector<Address>{vip.address});
  EXPECT_TRUE(arrive(kNorth, from_client(40'001, kSyn)));
  EXPECT_TRUE(sent(south).empty());
  arrive(kNorth, from_client(40'000, kRst));
  advance(snapshot.flow_timeouts.closing + 1s);
  for (int i = 0; i < 600; ++i) advance(20ms);
  EXPECT_EQ(forwarder.flows(), 0u);
  EXPECT_TRUE(forwarder.vips_changed());
  EXPECT_TRUE(forwarder.vips().empty());
  EXPECT_FALSE(forwarder.active());
}

TEST_F(Forwarding, a_listener_with_another_name_keeps_its_flows_and_takes_new_ones) {
  const Packet syn = connect(40'000);
  snapshot.listeners[0].name = "renamed";
  snapshot.listeners[0].slot = 7;
  adopt();
  expect_reaches(40'000, syn.destination);
  EXPECT_FALSE(arrive(kNorth, from_client(40'001, kSyn)));
  EXPECT_EQ(sent(south).size(), 1u);
  EXPECT_EQ(counters.listener(0).active_connections.get(), 0u);
  EXPECT_EQ(counters.listener(7).active_connections.get(), 2u);
  EXPECT_EQ(forwarder.vips().size(), 2u);  // TCP and UDP
}

TEST_F(Forwarding, a_listener_that_comes_back_while_its_flows_live_takes_new_ones) {
  const auto listeners = snapshot.listeners;
  const Packet syn = connect(40'000);
  snapshot.listeners.clear();
  adopt();
  snapshot.listeners = listeners;
  adopt();
  expect_reaches(40'000, syn.destination);
  EXPECT_FALSE(arrive(kNorth, from_client(40'001, kSyn)));
  EXPECT_EQ(sent(south).size(), 1u);
}

TEST_F(Forwarding, a_client_that_uses_its_port_again_gets_a_new_flow) {
  const Packet syn = connect(40'000);
  arrive(kNorth, from_client(40'000, kFin | kAck));
  arrive(kSouth, from_pod(syn, kFin | kAck));
  take_sent();
  arrive(kNorth, from_client(40'000, kSyn));
  EXPECT_EQ(only(south).flags, kSyn);
  EXPECT_EQ(counters.l4.flows_begun.get(), 2u);
  EXPECT_EQ(forwarder.flows(), 1u);
}

TEST_F(Forwarding, a_forged_reset_and_a_forged_syn_do_not_move_a_connection) {
  const Packet syn = connect(40'000);
  arrive(kNorth, from_client(40'000, kRst));
  arrive(kNorth, from_client(40'000, kSyn));
  take_sent();
  arrive(kNorth, from_client(40'000, kAck, "data"));
  EXPECT_EQ(only(south).source.str(), syn.source.str());
  EXPECT_EQ(counters.l4.flows_begun.get(), 1u);
}

TEST_F(Forwarding, a_pod_that_answers_a_syn_behind_a_reset_has_a_new_connection) {
  const Packet syn = connect(40'000);
  arrive(kNorth, from_client(40'000, kRst));
  arrive(kNorth, from_client(40'000, kSyn));
  arrive(kSouth, from_pod(syn, kSyn | kAck));
  EXPECT_EQ(forwarder.half_open(), 1u);
  arrive(kNorth, from_client(40'000, kAck));
  EXPECT_EQ(forwarder.half_open(), 0u);
}

TEST_F(Forwarding, a_stranger_that_does_not_see_the_pods_answer_establishes_nothing) {
  arrive(kNorth, from_client(40'000, kSyn));
  const Packet syn = only(south);
  arrive(kSouth, from_pod(syn, kSyn | kAck));
  Packet ack = from_client(40'000, kAck);
  ack.ack = 0x7000'0000;
  arrive(kNorth, ack);
  ack.flags = kFin | kAck;
  arrive(kNorth, ack);
  arrive(kNorth, from_client(40'000, kFin));
  Packet last = from_client(40'000, kAck);
  last.ttl = 1;  // ends here
  arrive(kNorth, last);
  EXPECT_EQ(forwarder.half_open(), 1u);
  arrive(kNorth, from_client(40'000, kAck));
  EXPECT_EQ(forwarder.half_open(), 0u);
}

TEST_F(Forwarding, datagrams_leave_a_pod_that_left_and_is_silent) {
  const Packet question{
      .source = client, .destination = {vip.address, 53}, .protocol = kUdp, .data = "q"};
  arrive(kNorth, question);
  const Packet seen = only(south);
  auto& pods = snapshot.services[0].pods.edit();
  std::erase_if(pods, [&](const config::Pod& p) { return p.endpoint == seen.destination; });
  adopt();
  for (int i = 0; i < 4; ++i) {  // twenty seconds apart
    now += 20s;
    wheel.advance(now);
    arrive(kNorth, question);
  }
  const auto all = sent(south);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all.front().destination.str(), seen.destination.str());
  EXPECT_NE(all.back().destination.str(), seen.destination.str());
}

TEST_F(Forwarding, addresses_of_its_own_do_not_talk_to_each_other) {
  // As a router would send it.
  ip::TransportPacket loop = received(
      kNorth, {.source = client, .destination = {vip.address, 53}, .protocol = kUdp, .data = "q"});
  loop.source = vip.address;
  give(std::move(loop));
  EXPECT_TRUE(sent(south).empty());
  EXPECT_EQ(forwarder.flows(), 0u);
}

TEST_F(Forwarding, a_listener_at_the_source_of_a_flow_takes_all_packets_but_that_flows) {
  const Packet syn = connect(40'000);
  for (const auto protocol : {config::Protocol::kH2c, config::Protocol::kTcp}) {
    listen(syn.source, protocol);
    adopt();
    arrive(kSouth, from_pod(syn, kAck, "answer"));
    EXPECT_EQ(only(north).data, "answer");
    const Packet other{
        .source = {client.address, 50'000}, .destination = syn.source, .flags = kSyn};
    // An L4 listener has a flow for it, and another one gets it from the forwarder.
    EXPECT_EQ(arrive(kSouth, other), protocol == config::Protocol::kH2c);
    EXPECT_EQ(counters.l4.flows_begun.get(), protocol == config::Protocol::kH2c ? 1u : 2u);
    EXPECT_EQ(arrive(kSouth, other), protocol == config::Protocol::kH2c);
    EXPECT_EQ(counters.l4.flows_begun.get(), protocol == config::Protocol::kH2c ? 1u : 2u);
    snapshot.listeners.pop_back();
    take_sent();
  }
}

TEST_F(Forwarding, damaged_segments_of_no_flow_are_counted) {
  auto packet = received(kNorth, from_client(40'000, kAck, "data"));
  packet.payload.front().mutable_data()[21] ^= 1;
  EXPECT_FALSE(give(std::move(packet)));
  EXPECT_EQ(counters.l4.bad_checksum.get(), 1u);
}

TEST_F(Forwarding, a_removed_listener_stays_while_another_worker_has_flows) {
  stats::Worker other_counters;
  // It counts flows at addresses alike.
  Registry other(dual, {}, other_counters, process, 1);
  other.adopt(snapshot);
  other.flow_began(other.vip(0));
  snapshot.listeners.clear();
  adopt();
  EXPECT_EQ(forwarder.vips().size(), 1u);
  other.flow_ended(other.vip(0));
  now += 1s;
  wheel.advance(now);
  EXPECT_TRUE(forwarder.vips().empty());
}

TEST_F(Forwarding, a_forged_reset_does_not_shorten_the_life_of_a_flow) {
  const Packet syn = connect(40'000);
  arrive(kNorth, from_client(40'000, kRst));
  arrive(kSouth, from_pod(syn, kAck));  // a challenge ACK (RFC 5961, 3.2)
  take_sent();
  for (auto t = 0s; t < snapshot.flow_timeouts.closing + 20s; t += 1s) advance(1s);
  meet(kSouth, syn.destination.address);  // the neighbour is as good as new
  expect_reaches(40'000, syn.destination);
}

TEST_F(Forwarding, a_reset_far_from_what_its_receiver_expects_changes_nothing) {
  const Packet syn = connect(40'000);
  Packet to_pod = from_client(40'000, kRst), to_client = from_pod(syn, kRst);
  to_pod.seq = to_client.seq = 1'000'000'000;
  arrive(kNorth, to_pod);  // nobody answers such a one
  arrive(kSouth, to_client);
  EXPECT_EQ(sent(south).size() + sent(north).size(), 2u);
  for (auto t = 0s; t < snapshot.flow_timeouts.closing + 20s; t += 1s) advance(1s);
  meet(kSouth, syn.destination.address);  // the neighbour is as good as new
  expect_reaches(40'000, syn.destination);
}

TEST_F(Forwarding, a_flood_displaces_half_open_flows_and_no_others) {
  std::map<uint16_t, Endpoint> pods;
  for (uint16_t p = 1; p <= 16; ++p) pods[p] = connect(p).destination;
  for (uint16_t p = 1000; p < 1200; ++p) arrive(kNorth, from_client(p, kSyn));
  take_sent();
  EXPECT_EQ(forwarder.flows(), kFlows);
  EXPECT_EQ(counters.l4.evicted.get(), 0u);
  EXPECT_EQ(counters.l4.evicted_half_open.get(), 200u - 16u);
  for (const auto& [port, to] : pods) expect_reaches(port, to);
}

TEST_F(Forwarding, new_flows_beyond_the_limits_are_refused_and_counted) {
  snapshot.listeners[0].l4.new_flows_per_source = 5;
  adopt();
  for (uint16_t p = 1; p <= 10; ++p) EXPECT_FALSE(arrive(kNorth, from_client(p, kSyn)));
  EXPECT_EQ(sent(south).size(), 5u);
  EXPECT_EQ(counters.l4.refused_source.get(), 5u);
  snapshot.listeners[0].l4 = {.new_flows = 3};
  adopt();
  for (uint16_t p = 11; p <= 20; ++p) arrive(kNorth, from_client(p, kSyn));
  EXPECT_EQ(sent(south).size(), 3u);
  EXPECT_EQ(counters.l4.refused_rate.get(), 7u);
}

TEST_F(Forwarding, a_publication_does_not_refill_the_limits_of_new_flows) {
  snapshot.listeners[0].l4 = {.new_flows = 3, .new_flows_per_source = 3};
  adopt();
  for (uint16_t p = 1; p <= 10; ++p) {
    arrive(kNorth, from_client(p, kSyn));
    snapshot.services[0].pods.edit().back().weight = p;
    adopt();
  }
  EXPECT_EQ(sent(south).size(), 3u);
}

TEST_F(Forwarding, limits_of_new_flows_are_those_of_all_workers) {
  Process process{2};
  std::deque<Forwarder> workers;
  for (unsigned w = 0; w < 2; ++w)
    workers.emplace_back(Forwarder::Setup{.host = dual,
                                          .wheel = wheel,
                                          .stats = counters,
                                          .sources = {{}, {own}},
                                          .flows = 4 * kFlows,
                                          .secret = {77, 78},
                                          .seed = 79 + w,
                                          .process = &process});
  uint16_t port = 1'000;
  const auto begun = [&](Forwarder& worker) {
    const uint64_t before = counters.l4.flows_begun.get();
    for (int i = 0; i < 10; ++i) {
      Pending pending{.packet = received(kNorth, from_client(++port, kSyn)),
                      .place = {Place::Kind::kVip, 0}};
      worker.input({&pending, 1}, now, [](ip::TransportPacket&, bool) {});
    }
    return counters.l4.flows_begun.get() - before;
  };
  for (const config::L4Listener& limits :
       {config::L4Listener{.new_flows = 13}, config::L4Listener{.new_flows_per_source = 13}}) {
    now += 2s;
    snapshot.listeners[0].l4 = limits;
    adopt();
    for (Forwarder& w : workers) w.adopt(snapshot);
    EXPECT_EQ(begun(workers[0]), 10u);
    EXPECT_EQ(begun(workers[1]), 3u);
    EXPECT_EQ(begun(workers[0]), 0u);
    now += 1s;
    EXPECT_EQ(begun(workers[1]), 10u);
  }
}

TEST_F(Forwarding, a_header_that_is_not_whole_is_dropped) {
  auto packet = received(kNorth, from_client(40'000, kSyn));
  packet.payload.drop_back(8);
  give(std::move(packet));
  EXPECT_EQ(counters.l4.malformed.get(), 1u);
}

// With one worker a pod has 31,744 ports of one address. A flood of half-open flows takes them all.
class CrowdedPorts : public ForwarderTest {
 protected:
  CrowdedPorts() {
    snapshot.services[0].pods.edit().resize(1);
    big.emplace(Forwarder::Setup{.host = dual,
                                 .wheel = wheel,
                                 .stats = counters,
                                 .sources = {{}, {own}},
                                 .flows = 100'000,
                                 .secret = {1, 2},
                                 .seed = 3});
    adopt();
    big->adopt(snapshot);
  }
  void syn(const Endpoint& source) {
    Packet p = from_client(0, kSyn);
    p.source = source;
    Pending pending{.packet = received(kNorth, p), .place = {Place::Kind::kVip, 0}};
    big->input({&pending, 1}, now, [](ip::TransportPacket&, bool) { FAIL(); });
  }

  std::optional<Forwarder> big;
};

TEST_F(CrowdedPorts, new_flows_are_refused_where_flows_that_go_on_have_all_source_ports) {
  constexpr uint32_t kPorts = Registry::kLastSourcePort - Registry::kFirstSourcePort + 1;
  const auto establish = [&](uint16_t port) {
    syn({client.address, port});
    const auto at_pod = sent(south);
    if (at_pod.size() != 1) return false;
    const auto take = [&](unsigned side, const Packet& p, Place::Kind kind) {
      Pending pending{.packet = received(side, p), .place = {kind, 0}};
      pending.place = big->find(pending.packet);
      EXPECT_EQ(pending.place.kind, kind);
      big->input({&pending, 1}, now, [](ip::TransportPacket&, bool) { FAIL(); });
    };
    take(kSouth, from_pod(at_pod[0], kSyn | kAck), Place::Kind::kSource);
    take(kNorth, from_client(port, kAck), Place::Kind::kVip);
    take_sent();
    return true;
  };
  uint32_t begun = 0;
  for (uint32_t n = 0; n < kPorts + 1'000; ++n) {
    now += 11ms;  // a search that failed is not repeated at once
    if (n % 100 == 0) {
      meet(kNorth, client.address);
      meet(kSouth, pod(0).address);
    }
    begun += establish(static_cast<uint16_t>(n + 1)) ? 1 : 0;
  }
  EXPECT_LE(begun, kPorts);
  EXPECT_GE(begun, kPorts - kPorts / 100);
  EXPECT_EQ(counters.l4.refused_ports.get(), kPorts + 1'000 - begun);
  EXPECT_EQ(counters.l4.evicted.get() + counters.l4.evicted_half_open.get(), 0u);
}

TEST_F(CrowdedPorts, a_source_port_is_used_again_when_all_others_have_been_used) {
  constexpr uint32_t kPorts = Registry::kLastSourcePort - Registry::kFirstSourcePort + 1;
  std::map<uint16_t, uint32_t> used;  // by port: when
  uint32_t soonest = UINT32_MAX, in_order = 0;
  uint16_t before = 0;
  for (uint32_t n = 0; n < kPorts + 5'000; ++n) {
    if (n % 100 == 0) {
      meet(kNorth, client.address);
      meet(kSouth, pod(0).address);
    }
    syn({Address::v4(0xc6130000u + n), 1000});
    const auto at_pod = sent(south);
    ASSERT_EQ(at_pod.size(), 1u);
    const uint16_t port = at_pod[0].source.port;
    if (const auto u = used.find(port); u != used.end()) soonest = std::min(soonest, n - u->second);
    used[port] = n;
    in_order += port == before + 1 ? 1 : 0;
    before = port;
  }
  EXPECT_EQ(used.size(), kPorts);
  EXPECT_GE(soonest, kPorts - 32);
  EXPECT_LT(in_order, kPorts / 2) << "the next port is not to be guessed";
}

TEST_F(CrowdedPorts, quiet_flows_that_began_together_stay_while_other_ports_are_free) {
  constexpr uint32_t kPorts = Registry::kLastSourcePort - Registry::kFirstSourcePort + 1;
  constexpr uint32_t kQuiet = 64;
  const auto take = [&](unsigned side, const Packet& p) {
    Pending pending{.packet = received(side, p), .place = {}};
    pending.place = big->find(pending.packet);
    ASSERT_NE(pending.place.kind, Place::Kind::kForeign);
    big->input({&pending, 1}, now, [](ip::TransportPacket&, bool) { FAIL(); });
  };
  const auto ask = [&](uint32_t n) {
    take(kNorth, {.source = {Address::v4(0xc6130000u + n), 1000},
                  .destination = {vip.address, 53},
                  .protocol = kUdp,
                  .data = "q"});
  };
  const auto pass = [&](Duration time) {
    for (; time > 0s; time -= 1s) {
      advance(1s);
      meet(kSouth, pod(0).address);
    }
    take_sent();
  };
  for (uint32_t n = 0; n < kQuiet; ++n) {
    ask(n);
    const auto at_pod = sent(south);
    ASSERT_EQ(at_pod.size(), 1u);
    take(kSouth, from_pod(at_pod[0], 0, "a"));
    take_sent();
  }
  for (uint32_t n = kQuiet; n < kPorts; ++n) {
    ask(n);
    if (n % 32 == 0) take_sent();
  }
  EXPECT_EQ(big->flows(), kPorts);
  for (int i = 0; i < 5; ++i) {
    pass(20s);
    for (uint32_t n = 0; n < kQuiet; ++n) {
      ask(n);
      if (n % 32 == 0) take_sent();
    }
  }
  ASSERT_EQ(big->flows(), kQuiet) << "the ports of all others are free again";
  pass(6s);
  for (uint32_t n = 0; n < 200; ++n) {
    ask(kPorts + n);  // the turn comes to the quiet ones
    if (n % 32 == 0) take_sent();
  }
  EXPECT_EQ(big->flows(), kQuiet + 200);
  EXPECT_EQ(counters.l4.evicted.get() + counters.l4.evicted_half_open.get(), 0u);
}

TEST_F(Forwarding, the_first_source_port_is_another_one_for_each_pod_and_protocol) {
  std::map<std::pair<Endpoint, uint8_t>, uint16_t> first;
  std::set<uint16_t> ports;
  for (const uint8_t protocol : {kTcp, kUdp})
    for (uint16_t port = 1; port <= 16; ++port) {
      arrive(kNorth,
             {.source = {client.address, port},
              .destination = {vip.address, static_cast<uint16_t>(protocol == kTcp ? 80 : 53)},
              .protocol = protocol,
              .flags = kSyn});
      const Packet at_pod = only(south);
      first.emplace(std::pair{at_pod.destination, protocol}, at_pod.source.port);
    }
  for (const auto& [to, port] : first) ports.insert(port);
  EXPECT_GT(first.size(), 4u);
  EXPECT_EQ(ports.size(), first.size());
}

TEST_F(Forwarding, a_new_flow_is_refused_while_all_others_are_in_use) {
  for (uint16_t p = 1; p <= kFlows; ++p) connect(p);
  EXPECT_TRUE(arrive(kNorth, from_client(1'000, kSyn)) || sent(south).empty());
  EXPECT_EQ(counters.l4.refused_full.get(), 1u);
  EXPECT_EQ(forwarder.flows(), kFlows);
  EXPECT_EQ(counters.l4.evicted.get(), 0u);
}

TEST_F(CrowdedPorts, datagrams_do_not_use_up_the_source_ports) {
  const auto datagram = [&](const Endpoint& source) {
    const Packet p{
        .source = source, .destination = {vip.address, 53}, .protocol = kUdp, .data = "q"};
    Pending pending{.packet = received(kNorth, p), .place = {Place::Kind::kVip, 1}};
    big->input({&pending, 1}, now, [](ip::TransportPacket&, bool) { FAIL(); });
  };
  for (uint32_t n = 0; n < 40'000; ++n) {
    datagram({Address::v4(0xc6130000u + n), 1000});
    if (n % 32 == 0) take_sent();
  }
  EXPECT_EQ(counters.l4.refused_ports.get(), 0u);
}

TEST_F(CrowdedPorts, a_flood_does_not_use_up_the_source_ports) {
  for (uint32_t n = 0; n < 40'000; ++n) {
    syn({Address::v4(0xc6130000u + n), 1000});
    if (n % 32 == 0) take_sent();
  }
  EXPECT_EQ(counters.l4.refused_ports.get(), 0u);
  EXPECT_GE(counters.l4.evicted_half_open.get(), 40'000u - 31'744u);
  take_sent();
  syn({Address::v4(0xc6120005u), 2000});
  EXPECT_EQ(sent(south).size(), 1u);
}

TEST_F(Forwarding, a_listener_that_moved_leaves_its_old_address_with_its_last_flow_there) {
  connect(40'000);
  const Endpoint old = vip;
  snapshot.listeners[0].address.address = ip::addr("198.18.0.11");
  vip = snapshot.listeners[0].address;
  adopt();
  connect(40'001);  // counts at the same slot
  EXPECT_EQ(forwarder.vips().size(), 3u);
  vip = old;
  arrive(kNorth, from_client(40'000, kRst));
  for (auto t = 0s; t < snapshot.flow_timeouts.closing + 20s; t += 1s) advance(1s);
  EXPECT_EQ(forwarder.vips().size(), 2u);
  EXPECT_TRUE(forwarder.vips_changed());
  EXPECT_EQ(forwarder.flows(), 1u);
}

TEST_F(Forwarding, a_change_of_pods_tells_of_an_address_that_is_no_longer_in_use) {
  connect(40'000);
  snapshot.listeners.erase(snapshot.listeners.begin());
  adopt();
  EXPECT_EQ(forwarder.vips().size(), 2u);
  arrive(kNorth, from_client(40'000, kRst));
  arrive(kNorth, from_client(40'000, kSyn));  // of a listener that left: ends the flow
  EXPECT_EQ(forwarder.flows(), 0u);
  snapshot.difference = config::Difference{.from = &snapshot, .changes = {{.service = 0}}};
  forwarder.adopt_difference(snapshot);
  EXPECT_EQ(forwarder.vips().size(), 1u);
  EXPECT_TRUE(forwarder.vips_changed());
}

TEST_F(Forwarding, a_forged_reset_out_of_sequence_does_not_end_a_silent_connection) {
  const Packet syn = connect(40'000);
  for (const uint32_t seq : {0u, 70'000u, 0x8000'0000u, 0xffff'0000u}) {
    Packet forged = from_client(40'000, kRst);
    forged.seq = seq;
    arrive(kNorth, forged);
  }
  take_sent();
  for (auto t = 0s; t < snapshot.flow_timeouts.closing + 20s; t += 1s) advance(1s);
  EXPECT_EQ(forwarder.flows(), 1u);
  meet(kSouth, syn.destination.address);  // the neighbour is as good as new
  expect_reaches(40'000, syn.destination);
}

TEST_F(Forwarding, a_reset_of_a_pod_in_the_middle_of_a_long_answer_ends_a_flow_soon) {
  const Packet syn = connect(40'000);
  Packet reset = from_pod(syn, kRst);
  reset.seq = 3'000'000;  // the client has not acknowledged all of it yet
  arrive(kSouth, reset);
  take_sent();
  std::erase_if(snapshot.services[0].pods.edit(),
                [&](const auto& p) { return p.endpoint == syn.destination; });
  adopt();
  arrive(kNorth, from_client(40'000, kSyn));
  const auto at_pods = sent(south);
  ASSERT_EQ(at_pods.size(), 1u);
  EXPECT_NE(at_pods[0].destination, syn.destination) << "the pod has left";
}

TEST_F(Forwarding, a_forged_reset_of_a_pod_far_ahead_does_not_end_an_idle_flow) {
  const Packet syn = connect(40'000);
  for (auto t = 0s; t < 6s; t += 1s) advance(1s);
  meet(kNorth, client.address);
  take_sent();
  for (const uint32_t seq : {70'000u, 3'000'000u, 16'000'000u}) {
    Packet forged = from_pod(syn, kRst);
    forged.seq = seq;  // out of the client's window: the client does not answer
    arrive(kSouth, forged);
    EXPECT_EQ(only(north).flags, kRst);
  }
  for (auto t = 0s; t < snapshot.flow_timeouts.closing + 20s; t += 1s) advance(1s);
  take_sent();
  EXPECT_EQ(forwarder.flows(), 1u);
  meet(kSouth, syn.destination.address);  // the neighbour is as good as new
  expect_reaches(40'000, syn.destination);
}

TEST_F(Forwarding, a_reset_of_a_pod_near_what_the_client_expects_ends_an_idle_flow) {
  const Packet syn = connect(40'000);
  for (auto t = 0s; t < 6s; t += 1s) advance(1s);
  meet(kNorth, client.address);
  take_sent();
  Packet reset = from_pod(syn, kRst);
  reset.seq = 60'000;
  arrive(kSouth, reset);
  EXPECT_EQ(only(north).flags, kRst);
  for (auto t = 0s; t < snapshot.flow_timeouts.closing + 20s; t += 1s) advance(1s);
  take_sent();
  EXPECT_EQ(forwarder.flows(), 0u);
}

TEST_F(Forwarding, a_reset_that_its_receiver_believes_ends_a_flow_soon) {
  Packet syn = connect(40'000);
  Packet acknowledges = from_pod(syn, kAck);
  acknowledges.ack = 1'000'000;
  arrive(kSouth, acknowledges);
  Packet reset = from_client(40'000, kRst);
  reset.seq = 1'000'700;  // there is data in flight
  arrive(kNorth, reset);
  for (auto t = 0s; t < snapshot.flow_timeouts.closing + 20s; t += 1s) advance(1s);
  EXPECT_EQ(forwarder.flows(), 0u);
}

TEST_F(Forwarding, datagrams_leave_the_pods_of_a_service_that_their_listener_left) {
  snapshot.services.push_back({.name = "other"});
  Endpoint other = pod(9);
  snapshot.services[1].pods.push_back({.endpoint = other, .slot = 9});
  listen({vip.address, 54}, config::Protocol::kUdp);  // keeps the pods of the first service
  adopt();
  meet(kSouth, other.address);
  const Packet question{
      .source = client, .destination = {vip.address, 53}, .protocol = kUdp, .data = "q"};
  arrive(kNorth, question);
  EXPECT_NE(only(south).destination.str(), other.str());
  snapshot.listeners[1].service = 1;
  adopt();
  for (int i = 0; i < 4; ++i) {  // twenty seconds apart
    advance(20s);
    meet(kSouth, other.address);
    arrive(kNorth, question);
  }
  EXPECT_EQ(sent(south).back().destination.str(), other.str());
}

// A site of IPv6 has 65,536 networks, each of which is a source.
TEST(LimitsOfSources, one_site_does_not_use_up_the_flows_of_other_sources) {
  Process process(1);
  const Time now{1h};
  constexpr uint32_t kRate = 10;
  uint32_t begun = 0;
  for (uint64_t n = 0; n < 65'536; ++n)
    begun += process.take_of_source(3, mix64(n), 77, kRate, now) ? 1 : 0;
  EXPECT_EQ(begun, kRate * Process::kSourcesOfSite);
  for (uint64_t n = 0; n < 1'000; ++n)
    EXPECT_TRUE(process.take_of_source(3, mix64(1'000'000 + n), 0, kRate, now));
}

TEST(LimitsOfSources, an_emptied_bucket_refuses_only_sources_whose_other_bucket_is_empty) {
  Process process(1);
  const Time now{1h};
  for (uint64_t n = 0; n < 400; ++n)  // 400 of 4,096 buckets in each row
    while (process.take_of_source(3, mix64(n), 0, 5, now)) {
    }
  uint32_t refused = 0;
  for (uint64_t n = 0; n < 1'000; ++n)
    refused += process.take_of_source(3, mix64(1'000'000 + n), 0, 5, now) ? 0 : 1;
  EXPECT_LT(refused, 40u);  // one row would refuse 93
}

TEST(LimitsOfSources, a_source_alone_has_its_rate_and_no_more) {
  Process process(1);
  Time now{1h};
  uint32_t begun = 0;
  for (int i = 0; i < 100; ++i) begun += process.take_of_source(3, 1234567, 0, 10, now) ? 1 : 0;
  EXPECT_EQ(begun, 10u);
  now += 1s;
  for (int i = 0; i < 100; ++i) begun += process.take_of_source(3, 1234567, 0, 10, now) ? 1 : 0;
  EXPECT_EQ(begun, 20u);
}

// Takes what is handed over.
struct HandedOver final : Siblings {
  void hand_over(unsigned worker, ip::TransportPacket&& packet) override {
    workers.push_back(worker);
    packet.payload.clear();
  }
  void hand_over(unsigned worker, ip::IcmpError&& error) override {
    workers.push_back(worker);
    error.message.reset();
  }
  std::vector<unsigned> workers;
};

TEST_F(Forwarding, answers_to_a_port_that_became_a_listeners_are_looked_for_at_its_worker) {
  const steer::Owner owner(2, {5, 6}, {}, {});
  HandedOver handed_over;
  const Endpoint at{own, 5'353};  // in the share of worker 1
  listen(at, config::Protocol::kUdp);
  adopt();
  Forwarder first({.host = dual,
                   .wheel = wheel,
                   .stats = counters,
                   .sources = {{}, {own}},
                   .flows = kFlows,
                   .secret = {1, 2},
                   .seed = 3,
                   .self = 0,
                   .owner = &owner,
                   .siblings = &handed_over,
                   .process = &process});
  first.adopt(snapshot);
  const auto arrive_at_first = [&](const Endpoint& source, bool handed) {
    Pending pending{
        .packet = received(
            kSouth, {.source = source, .destination = at, .protocol = kUdp, .data = "answer"}),
        .handed_over = handed};
    pending.place = first.find(pending.packet);
    first.input({&pending, 1}, now, [](ip::TransportPacket&, bool) {});
  };
  arrive_at_first(pod(1), false);
  EXPECT_EQ(handed_over.workers, std::vector<unsigned>{1});
  EXPECT_EQ(first.flows(), 0u);
  arrive_at_first(pod(1), true);  // from there: nobody has such a flow
  EXPECT_EQ(first.flows(), 1u);
  handed_over.workers.clear();
  uint16_t port = 1;  // of a stranger whose flow is this worker's
  while (owner.by_hash(at, {pod(1).address, port}) != 0) ++port;
  arrive_at_first({pod(1).address, port}, false);
  EXPECT_TRUE(handed_over.workers.empty());
  EXPECT_EQ(first.flows(), 2u);
}

}  // namespace
}  // namespace sluice::l4
