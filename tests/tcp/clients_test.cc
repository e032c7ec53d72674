// Who has how much of the connection table: a reserve for pods, and who loses a connection when it
// is full.

#include <map>
#include <vector>

#include "base/random.h"
#include "fixture.h"
#include "tcp/peers.h"

namespace sluice::test {
namespace {

using tcp::CloseReason;

class Clients : public TcpTest {
 protected:
  // Each connection has an owner of its own.
  struct Client final : Owner {
    bool busy(const tcp::Connection&) const override { return working; }
    bool working = false;
    uint32_t isn = 0;
  };
  class Door final : public tcp::Acceptor {
   public:
    tcp::User* on_accept(tcp::Connection& c) override {
      last = &all.emplace_back();
      last->connection = &c;
      return last;
    }
    std::deque<Client> all;
    Client* last = nullptr;
  };

  Clients() {
    config.max_connections = 64;
    config.connections_per_address = 0;
    here.port = 81;
  }

  // Three-way handshake; nullptr: reset at its end.
  Client* client(const char* address) {
    if (door.all.empty()) {
      EXPECT_TRUE(stack().listen({here.address, port_here = 80}, &door));
    }
    const size_t before = door.all.size();
    there = {*Address::parse(address), next_port++};
    here.address = there.address.is_v4() ? Address::v4(0xc612000a) : *Address::parse("2001:db8::a");
    if (!there.address.is_v4()) stack().listen({here.address, 80}, &door);
    port_here = 80;
    send({.flags = SYN, .seq = 0, .mss = 1460});
    while (!wire.sent.empty() && !wire.sent.front().header.has(tcp::kSyn)) wire.sent.pop_front();
    EXPECT_FALSE(wire.sent.empty());
    if (wire.sent.empty()) return nullptr;
    stack_isn = wire.sent.front().header.seq;
    wire.sent.clear();
    send({.seq = 1, .ack = 1});
    if (door.all.size() == before) return nullptr;
    door.last->isn = stack_isn;
    return door.last;
  }
  size_t alive() {
    size_t n = 0;
    for (const Client& c : door.all) n += !c.closed;
    return n;
  }

  Door door;
  uint16_t next_port = 1000;
};

TEST_F(Clients, a_table_full_of_idle_clients_leaves_room_to_connect_to_pods) {
  for (int i = 0; i < 200; ++i) ASSERT_NE(client("198.18.0.7"), nullptr);
  EXPECT_EQ(stack().clients(), 48u);
  EXPECT_EQ(counters.connections_evicted.get(), 152u);
  there.address = Address::v4(0xc6120101);
  for (uint16_t i = 0; i < 16; ++i)
    EXPECT_NE(stack().connect({}, {there.address, static_cast<uint16_t>(50'000 + i)}, &owner, now),
              nullptr);
  EXPECT_EQ(stack().connections(), 64u);
  EXPECT_EQ(alive(), 48u);
  wire.sent.clear();
}

TEST_F(Clients, pods_beyond_the_reserve_take_the_place_of_clients) {
  for (int i = 0; i < 48; ++i) ASSERT_NE(client("198.18.0.7"), nullptr);
  int connected = 0;
  for (uint16_t i = 0; i < 40; ++i) {
    const Endpoint pod{Address::v4(0xc6120101), static_cast<uint16_t>(50'000 + i)};
    if (stack().connect({}, pod, &owner, now) != nullptr) {
      ++connected;
      continue;
    }
    flush();  // who had to go has gone
    if (stack().connect({}, pod, &owner, now) != nullptr) ++connected;
  }
  EXPECT_EQ(connected, 40);
  EXPECT_EQ(alive(), 24u);
  wire.sent.clear();
}

TEST_F(Clients,
       when_the_table_is_full_the_address_with_the_most_loses_its_longest_idle_connection) {
  std::vector<Client*> many;
  for (int i = 0; i < 40; ++i) {
    many.push_back(client("198.18.0.7"));
    now += 1ms;
  }
  for (int i = 0; i < 8; ++i) client("198.18.0.8");
  now += 10s;
  // The oldest says something, and so is not the longest idle.
  there = many[0]->connection->remote();
  stack_isn = many[0]->isn;
  send({.seq = 1, .ack = 1, .data = "x"});
  EXPECT_EQ(alive(), 48u);
  ASSERT_NE(client("198.18.0.9"), nullptr);
  EXPECT_EQ(many[1]->closed, CloseReason::kAborted);
  EXPECT_EQ(alive(), 48u);
  EXPECT_EQ(counters.connections_evicted.get(), 1u);
  // Until all have as many, only the one that has the most loses any.
  for (int i = 0; i < 31; ++i) client("198.18.0.9");
  EXPECT_FALSE(many[0]->closed);
  size_t closed = 0;
  for (const Client* c : many) closed += c->closed.has_value();
  EXPECT_GE(closed, 20u);
  for (size_t i = 40; i < 48; ++i) EXPECT_FALSE(door.all[i].closed);
  wire.sent.clear();
}

TEST_F(Clients, connections_with_work_outlive_idle_ones_of_their_address) {
  std::vector<Client*> all;
  for (int i = 0; i < 48; ++i) {
    all.push_back(client("198.18.0.7"));
    all.back()->working = i < 15;
    now += 1ms;
  }
  for (int i = 0; i < 30; ++i) client("198.18.0.7");
  for (int i = 0; i < 15; ++i) EXPECT_FALSE(all[static_cast<size_t>(i)]->closed) << i;
  EXPECT_EQ(alive(), 48u);
  // Work everywhere is no shield against others.
  for (Client& c : door.all) c.working = true;
  EXPECT_NE(client("198.18.0.9"), nullptr);
  EXPECT_EQ(alive(), 48u);
  wire.sent.clear();
}

TEST_F(Clients, the_addresses_of_one_ipv6_network_count_together) {
  for (int i = 0; i < 40; ++i) client(("2001:db8:1:1::" + std::to_string(i + 1)).c_str());
  for (int i = 0; i < 8; ++i) client("2001:db8:1:2::1");
  EXPECT_EQ(alive(), 48u);
  for (int i = 0; i < 20; ++i) client(("2001:db8:" + std::to_string(i + 5) + "::1").c_str());
  for (size_t i = 40; i < 48; ++i) EXPECT_FALSE(door.all[i].closed);
  EXPECT_EQ(alive(), 48u);
  wire.sent.clear();
}

TEST_F(Clients, an_address_may_have_a_fixed_limit_that_a_reload_changes) {
  config.connections_per_address = 3;
  for (int i = 0; i < 3; ++i) ASSERT_NE(client("198.18.0.7"), nullptr);
  EXPECT_EQ(client("198.18.0.7"), nullptr);
  ASSERT_FALSE(wire.sent.empty());
  EXPECT_TRUE(wire.sent.back().header.has(tcp::kRst));
  EXPECT_EQ(counters.address_limited.get(), 1u);
  EXPECT_NE(client("198.18.0.8"), nullptr);
  door.all[0].connection->abort();
  EXPECT_NE(client("198.18.0.7"), nullptr);
  config.connections_per_address = 4;
  stack().reconfigure(config);
  EXPECT_NE(client("198.18.0.7"), nullptr);
  EXPECT_EQ(client("198.18.0.7"), nullptr);
  EXPECT_EQ(counters.address_limited.get(), 2u);
  wire.sent.clear();
}

TEST(PeersOfWorkers, share_the_limit_of_an_address_and_nothing_else) {
  tcp::Config config;
  config.max_connections = 100;
  tcp::Process process(config, 2, SipKey{3, 4});
  tcp::Peers first(100, SipKey{1, 2}, &process), second(100, SipKey{5, 6}, &process);
  const Address client = *Address::parse("2001:db8::1"), neighbour = *Address::parse("2001:db8::2");
  const Address other = *Address::parse("2001:db8:0:1::1");
  tcp::PeerMember members[3];
  ASSERT_TRUE(first.reserve(client, 3));
  first.add(members[0], client);
  ASSERT_TRUE(second.reserve(neighbour, 3));
  second.add(members[1], neighbour);
  ASSERT_TRUE(second.reserve(client, 3));
  second.add(members[2], client);
  EXPECT_FALSE(first.reserve(neighbour, 3)) << "three of the /64 in both workers";
  EXPECT_FALSE(second.reserve(client, 3));
  EXPECT_TRUE(first.reserve(other, 3));
  EXPECT_EQ(first.connections(), 1u);
  second.remove(members[1]);
  EXPECT_TRUE(first.reserve(client, 3));
  EXPECT_FALSE(first.reserve(client, 3));
  first.cancel(client);
  EXPECT_TRUE(second.reserve(client, 3)) << "a connection that did not come to be";
}

TEST(ChallengeLimit, all_workers_together_send_a_half_to_one_and_a_half_of_the_limit_a_second) {
  tcp::ChallengeLimit limit(200, 9);
  std::map<int, int> numbers;
  for (int second = 0; second < 50; ++second) {
    const Time now{1h + second * 1s};
    int sent = 0;
    for (int i = 0; i < 1'000; ++i) {
      // Of two workers, one is a little behind.
      sent += limit.take(now + 500us * i / 1'000);
      if (i > 0) sent += limit.take(now - 1us);
    }
    EXPECT_GE(sent, 100);
    EXPECT_LE(sent, 300);
    ++numbers[sent];
  }
  EXPECT_GT(numbers.size(), 20u) << "nobody can count on the number";
}

TEST(Peers, counts_like_a_plain_model) {
  Random r(9);
  tcp::Peers peers(4000, SipKey{1, 2});
  std::map<uint32_t, size_t> model;
  std::vector<std::pair<uint32_t, std::unique_ptr<tcp::PeerMember>>> in;
  for (int step = 0; step < 20'000; ++step) {
    if (in.size() < 4000 && r.chance(0.6)) {
      const auto host = static_cast<uint32_t>(r.below(r.chance(0.3) ? 3 : 300));
      in.emplace_back(host, std::make_unique<tcp::PeerMember>());
      peers.add(*in.back().second, Address::v4(host));
      ++model[host];
    } else if (!in.empty()) {
      std::swap(in[r.below(in.size())], in.back());
      const uint32_t host = in.back().first;
      peers.remove(*in.back().second);
      in.pop_back();
      if (--model[host] == 0) model.erase(host);
    }
    size_t most = 0;
    for (const auto& [host, n] : model) most = std::max(most, n);
    tcp::Peer* largest = peers.largest();
    ASSERT_EQ(largest == nullptr ? 0 : largest->connections, most);
  }
  EXPECT_EQ(peers.connections(), in.size());
  for (const auto& [host, n] : model) EXPECT_EQ(peers.connections_of(Address::v4(host)), n);
  for (auto& [host, member] : in) peers.remove(*member);
  EXPECT_EQ(peers.largest(), nullptr);
}

}  // namespace
}  // namespace sluice::test
