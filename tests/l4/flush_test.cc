// Flows of pods that are flushed, and the list of flows.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "fixture.h"

namespace sluice::l4 {
namespace {

class Flush : public ForwarderTest {
 protected:
  // An RST that left: its ends and its sequence number.
  struct Reset {
    Packet packet;
    uint32_t sequence = 0;
  };
  static std::vector<Reset> resets(ip::TestLink& link) {
    std::vector<Reset> all;
    for (const std::string& f : frames(link)) {
      const Packet p = parse(f);
      if (p.flags == kRst) all.push_back({p, load_be32(ip::raw(f, 14 + ip::kIpv4Size + 4))});
    }
    return all;
  }
  // Turns until a flush is over.
  void pass() {
    for (int i = 0; i < 20; ++i) advance(1ms);
  }
  static std::map<Endpoint, std::string> states(const std::vector<stats::FlowRow>& rows) {
    std::map<Endpoint, std::string> all;
    for (const stats::FlowRow& r : rows) all[r.client] = r.state;
    return all;
  }
  std::vector<stats::FlowRow> list(stats::FlowPage::Question question = {}) {
    stats::FlowPage page;
    stats::FlowPage::Answer answer;
    EXPECT_FALSE(page.take(question, answer));
    for (int turns = 0; page.asked() && turns < 100; ++turns) forwarder.list(page, now);
    EXPECT_TRUE(page.take(question, answer));
    EXPECT_EQ(answer.next, stats::FlowPage::kEnd);
    return answer.rows;
  }
};

TEST_F(Flush, of_a_pod_resets_both_sides_of_its_connections_and_of_no_others) {
  std::map<uint16_t, Packet> syns;
  for (uint16_t p = 40'000; p < 40'010; ++p) syns[p] = connect(p);
  Packet data = from_client(40'000, kAck, "data");
  data.ack = 777;
  arrive(kNorth, data);
  Packet answer = from_pod(syns[40'000], kAck, "answer");
  answer.ack = 888;
  arrive(kSouth, answer);
  take_sent();
  const Endpoint pod = syns[40'000].destination;
  const auto slot = static_cast<uint32_t>(pod.address.bytes[15] - 101);
  forwarder.flush(slot);
  pass();
  std::set<uint16_t> reset;
  for (const Reset& r : resets(north)) {
    EXPECT_TRUE(r.packet.intact);
    EXPECT_EQ(r.packet.source.str(), vip.str());
    reset.insert(r.packet.destination.port);
    if (r.packet.destination.port == 40'000) {
      EXPECT_EQ(r.sequence, 777u);
    }
  }
  bool seen = false;
  for (const Reset& r : resets(south)) {
    EXPECT_EQ(r.packet.destination.str(), pod.str());
    if (r.packet.source != syns[40'000].source) continue;
    seen = true;
    EXPECT_EQ(r.sequence, 888u);
  }
  EXPECT_TRUE(seen);
  for (const auto& [port, syn] : syns) {
    EXPECT_EQ(reset.contains(port), syn.destination == pod);
    EXPECT_EQ(arrive(kNorth, from_client(port, kAck)), syn.destination == pod);
  }
  EXPECT_EQ(counters.l4.flushed.get(), reset.size());
  take_sent();
  // New connections may go to the pod again.
  for (uint16_t p = 41'000; p < 41'020; ++p) connect(p);
  EXPECT_GT(counters.pod(slot).connections.get(), 0u);
}

TEST_F(Flush, of_a_pod_without_flows_does_not_end_flows_that_begin_later) {
  for (uint32_t slot = 0; slot < kPods; ++slot) forwarder.flush(slot);
  connect(40'000);
  adopt();
  pass();
  EXPECT_TRUE(resets(north).empty());
  EXPECT_EQ(forwarder.flows(), 1u);
}

TEST_F(Flush, of_pods_that_leave_is_for_listeners_that_ask_for_it) {
  for (const bool flush : {false, true}) {
    for (auto& l : snapshot.listeners)
      l.l4.leaving_pods = flush ? config::Leaving::kFlush : config::Leaving::kDrain;
    adopt();
    const Packet syn = connect(40'000);
    const auto pods = snapshot.services[0].pods;
    std::erase_if(snapshot.services[0].pods.edit(),
                  [&](const auto& p) { return p.endpoint == syn.destination; });
    take_sent();
    adopt();
    pass();
    EXPECT_EQ(resets(north).size(), flush ? 1u : 0u);
    EXPECT_EQ(forwarder.flows(), flush ? 0u : 1u);
    snapshot.services[0].pods = pods;
  }
}

TEST_F(Flush, of_a_listener_that_leaves_does_not_ask_for_others_with_its_pods) {
  snapshot.listeners[0].l4.leaving_pods = config::Leaving::kFlush;
  adopt();
  connect(40'000);
  snapshot.listeners.erase(snapshot.listeners.begin());  // the one of UDP keeps the service
  adopt();
  pass();
  EXPECT_EQ(resets(north).size(), 1u);
  EXPECT_EQ(forwarder.flows(), 0u);
}

TEST_F(Flush, of_a_pod_without_flows_does_not_wait_for_some) {
  for (uint32_t pod = 0; pod < kPods; ++pod) forwarder.flush(pod);
  connect(40'000);
  pass();
  adopt();
  pass();
  EXPECT_TRUE(resets(north).empty());
  EXPECT_EQ(forwarder.flows(), 1u);
}

TEST_F(Flush, spares_the_flows_that_begin_meanwhile_and_the_next_one_takes_them) {
  connect(40'000);
  for (uint32_t pod = 0; pod < kPods; ++pod) forwarder.flush(pod);
  connect(40'001);
  pass();
  EXPECT_EQ(resets(north).size(), 1u);
  EXPECT_EQ(forwarder.flows(), 1u);
  for (int i = 0; i < 40; ++i) {  // numbers of flushes come again
    take_sent();
    for (uint32_t pod = 0; pod < kPods; ++pod) forwarder.flush(pod);
    connect(static_cast<uint16_t>(40'002 + i));
    pass();
    EXPECT_EQ(forwarder.flows(), 1u);
  }
  EXPECT_EQ(counters.l4.flushed.get(), 41u);
}

TEST_F(Flush, of_one_pod_again_does_not_end_flows_that_another_order_spared) {
  std::map<uint32_t, std::vector<uint16_t>> clients;  // by pod
  const auto slot_of = [](const Packet& syn) {
    return static_cast<uint32_t>(syn.destination.address.bytes[15] - 101);
  };
  for (uint16_t p = 40'000; p < 40'008; ++p) clients[slot_of(connect(p))].push_back(p);
  ASSERT_GE(clients.size(), 2u);
  const uint32_t a = clients.begin()->first, b = std::next(clients.begin())->first;
  const size_t others = 8 - clients[a].size() - clients[b].size();
  forwarder.flush(a);
  uint16_t p = 41'000;
  while (slot_of(connect(p)) != a) ++p;
  const size_t began = p - 41'000u + 1;
  size_t of_b = 0;  // that began before the orders about b
  for (const stats::FlowRow& r : list({.pod = b})) of_b += r.client.port >= 41'000 ? 1 : 0;
  forwarder.flush(b);
  forwarder.flush(b);
  take_sent();
  pass();
  EXPECT_EQ(forwarder.flows(), others + began - of_b);
  bool spared = false;
  for (const stats::FlowRow& r : list({.pod = a})) spared |= r.client.port == p;
  EXPECT_TRUE(spared) << "it began behind the only order about its pod";
}

TEST_F(Flush, resets_a_client_at_its_last_acknowledgment_though_the_pod_repeats_its_syn_ack) {
  const Packet syn = connect(40'000);
  Packet data = from_client(40'000, kAck, "data");
  data.ack = 777;
  arrive(kNorth, data);
  arrive(kSouth, from_pod(syn, kSyn | kAck));
  take_sent();
  for (uint32_t pod = 0; pod < kPods; ++pod) forwarder.flush(pod);
  pass();
  const auto all = resets(north);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].sequence, 777u);
}

TEST_F(Flush, forgets_datagrams_and_half_open_connections_without_a_reset) {
  arrive(kNorth, from_client(40'000, kSyn));
  arrive(kNorth,
         {.source = client, .destination = {vip.address, 53}, .protocol = kUdp, .data = "q"});
  take_sent();
  for (uint32_t pod = 0; pod < kPods; ++pod) forwarder.flush(pod);
  pass();
  EXPECT_TRUE(resets(north).empty());
  EXPECT_TRUE(resets(south).empty());
  EXPECT_EQ(forwarder.flows(), 0u);
  EXPECT_EQ(counters.l4.flushed.get(), 2u);
}

TEST_F(Flush, a_list_has_each_flow_once) {
  const Packet syn = connect(40'000);
  arrive(kNorth, from_client(40'001, kSyn));
  advance(2s);
  const auto rows = list();
  EXPECT_EQ(states(rows),
            (std::map<Endpoint, std::string>{{{client.address, 40'000}, "established"},
                                             {{client.address, 40'001}, "syn-sent"}}));
  for (const stats::FlowRow& r : rows) {
    EXPECT_EQ(r.vip.str(), vip.str());
    EXPECT_EQ(r.mode, "nat");
    EXPECT_EQ(r.silent_ms, 2000u);
    if (r.client.port != 40'000) continue;
    EXPECT_EQ(r.source.str(), syn.source.str());
    EXPECT_EQ(r.pod.str(), syn.destination.str());
  }
}

TEST_F(Flush, a_list_may_be_of_one_listener_or_one_pod) {
  connect(40'000);
  arrive(kNorth,
         {.source = client, .destination = {vip.address, 53}, .protocol = kUdp, .data = "q"});
  EXPECT_EQ(list({.listener = 1}).size(), 1u);
  EXPECT_EQ(list({.listener = 1})[0].protocol, kUdp);
  size_t all = 0;
  for (uint32_t pod = 0; pod < kPods; ++pod) all += list({.pod = pod}).size();
  EXPECT_EQ(all, 2u);
}

TEST(FlowPages, keep_an_answer_for_its_reader_and_take_another_question_then) {
  stats::FlowPage page;
  stats::FlowPage::Answer answer;
  EXPECT_FALSE(page.take({.from = 0}, answer));
  EXPECT_TRUE(page.asked());
  EXPECT_FALSE(page.take({.from = 5}, answer));  // the worker is still at the first question
  page.answer().next = stats::FlowPage::kEnd;
  page.publish();
  EXPECT_FALSE(page.take({.from = 5}, answer));
  EXPECT_TRUE(page.take({.from = 0}, answer));
  EXPECT_FALSE(page.take({.from = 5}, answer));
  EXPECT_TRUE(page.asked());
  EXPECT_EQ(page.question().from, 5u);
}

}  // namespace
}  // namespace sluice::l4
