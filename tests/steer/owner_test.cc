#include "steer/owner.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace sluice::steer {
namespace {

constexpr SipKey kSecret{1, 2};

Rss scaling(std::vector<uint16_t> workers, uint8_t seed = 0x6d) {
  Rss rss{.workers = std::move(workers)};
  for (unsigned i = 0; i < 40; ++i) rss.key.push_back(static_cast<uint8_t>(seed + i * 37));
  return rss;
}

// The north port has RSS, the south port's queues tell nothing.
class Owners : public testing::Test {
 protected:
  Owners() {
    ports[0].addresses = {*Prefix::parse("198.18.0.2/24")};
    ports[0].rss = scaling({0, 1, 2, 3, 0, 1, 2, 3});
    ports[1].addresses = {*Prefix::parse("198.18.1.1/24"), *Prefix::parse("fd00::1/64")};
  }
  Owner owner() const { return Owner(4, kSecret, ports, {}); }

  std::array<OwnerPort, 2> ports;
  Endpoint vip{*Address::parse("198.18.0.10"), 50'051};
  Endpoint client{*Address::parse("198.18.0.1"), 40'000};
  Endpoint pod{*Address::parse("198.18.1.101"), 50'051};
};

TEST_F(Owners, a_flow_belongs_to_the_worker_to_which_the_nic_sends_it) {
  const Owner o = owner();
  const Toeplitz nic(ports[0].rss->key);
  for (uint16_t p = 1; p < 1000; ++p) {
    client.port = p;
    EXPECT_EQ(o.by_hash(vip, client), ports[0].rss->workers[nic.hash(client, vip) & 7]);
  }
  EXPECT_TRUE(o.hashed_by_nic(vip));
}

TEST_F(Owners, the_ports_of_an_address_lead_answers_to_the_workers_that_the_hash_names) {
  const Owner o = owner();
  const Owner::Arrivals arrivals = o.arrivals(vip.address, client);
  ASSERT_TRUE(arrivals);
  for (uint32_t p = 0; p < 65'536; p += 3) {
    const auto port = static_cast<uint16_t>(p);
    EXPECT_EQ(arrivals.worker(port), o.by_hash({vip.address, port}, client));
  }
  const Endpoint client6{*Address::parse("2001:db8::1"), 40'000};
  const Address local6 = *Address::parse("2001:db8::10");
  const Owner::Arrivals of_ipv6 = o.arrivals(local6, client6);
  for (uint32_t p = 0; of_ipv6 && p < 65'536; p += 3) {
    const auto port = static_cast<uint16_t>(p);
    EXPECT_EQ(of_ipv6.worker(port), o.by_hash({local6, port}, client6));
  }
  EXPECT_FALSE(o.arrivals(*Address::parse("198.18.1.10"), client));
}

TEST_F(Owners, flows_of_a_port_whose_queues_tell_nothing_are_spread_by_software) {
  const Owner o = owner();
  std::array<unsigned, 4> flows{};
  const Endpoint local{*Address::parse("198.18.1.10"), 443};
  EXPECT_FALSE(o.hashed_by_nic(local));
  for (uint16_t p = 0; p < 40'000; ++p)
    ++flows[o.by_hash(local, {client.address, static_cast<uint16_t>(p + 1)})];
  for (const unsigned n : flows) EXPECT_NEAR(n, 10'000, 500);
}

TEST_F(Owners, strangers_cannot_compute_the_hash_of_software) {
  const Owner one = owner();
  const Owner other(4, {3, 4}, ports, {});
  const Endpoint local{*Address::parse("198.18.1.10"), 443};
  unsigned same = 0;
  for (uint16_t p = 1; p <= 1000; ++p)
    same += one.by_hash(local, {client.address, p}) == other.by_hash(local, {client.address, p});
  EXPECT_NEAR(same, 250, 70);
}

TEST_F(Owners, an_address_of_no_network_is_hashed_by_the_first_port_that_hashes) {
  const Owner o = owner();
  const Endpoint routed{*Address::parse("203.0.113.1"), 443};
  const Toeplitz nic(ports[0].rss->key);
  EXPECT_TRUE(o.hashed_by_nic(routed));
  EXPECT_EQ(o.by_hash(routed, client), ports[0].rss->workers[nic.hash(client, routed) & 7]);
}

TEST_F(Owners, a_version_of_ip_that_the_nic_does_not_hash_is_hashed_by_software) {
  ports[0].rss->v4 = false;
  EXPECT_FALSE(owner().hashed_by_nic(vip));
}

TEST_F(Owners, tables_that_name_no_worker_are_not_used) {
  ports[0].rss->workers = {0, 1, 2, 7};
  EXPECT_FALSE(owner().hashed_by_nic(vip));
  ports[0].rss->workers = {0, 1, 2};
  EXPECT_FALSE(owner().hashed_by_nic(vip));
  ports[0].rss->workers = {0, 1, 2, 3};
  ports[0].rss->key.resize(16);
  EXPECT_FALSE(owner().hashed_by_nic(vip));
}

TEST_F(Owners, shares_are_of_ephemeral_ports_at_the_ports_own_addresses) {
  const Owner o = owner();
  const Address own = *Address::parse("198.18.1.1");
  EXPECT_TRUE(o.in_shares({own, 32'768}));
  EXPECT_TRUE(o.in_shares({own, 60'999}));
  EXPECT_TRUE(o.in_shares({*Address::parse("fd00::1"), 40'000}));
  EXPECT_FALSE(o.in_shares({own, 32'767}));
  EXPECT_FALSE(o.in_shares({own, 61'000}));
  EXPECT_FALSE(o.in_shares({*Address::parse("198.18.1.10"), 40'000}));
}

TEST_F(Owners, every_ephemeral_port_is_in_one_share) {
  const Owner o = owner();
  std::array<unsigned, 4> ports_of{};
  for (unsigned p = 32'768; p <= 60'999; ++p) ++ports_of[o.by_share(static_cast<uint16_t>(p))];
  for (const unsigned n : ports_of) EXPECT_EQ(n, (60'999u - 32'768 + 1) / 4);
}

}  // namespace
}  // namespace sluice::steer
