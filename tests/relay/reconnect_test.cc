// Clients that reset their streams, and come again on a new connection when a guard has ended the
// one before (CVE-2023-44487).

#include "relay/address_key.h"
#include "relay/address_table.h"

#include "fixture.h"

namespace sluice::relay {
namespace {

struct Reconnect : RelayTest {
  Reconnect() {
    pod(1).way = TestPod::Way::kSilent;
    snapshot.guards.pod_resets.burst = 0;  // the guard of the pod's connection
    snapshot.services[0].queue_limit = 1'000;
    endpoints({1});
  }
  static constexpr int kAtOnce = 4;

  // Opens and resets streams on one connection until Sluice has had enough; how many reached the
  // pod.
  int attack(int most = 3'000) {
    Peer& p = client();
    const int before = pod(1).requests();
    for (int i = 0; i < most && !p.ended && !p.closed; i += kAtOnce) {
      std::vector<http2::Stream*> opened;
      for (int k = 0; k < kAtOnce; ++k)
        if (http2::Stream* s = p.h2->open(grpc(), true, &p.owner); s != nullptr)
          opened.push_back(s);
      p.flush();
      for (http2::Stream* s : opened) p.h2->reset(*s, ErrorCode::kCancel);
      run();
    }
    return pod(1).requests() - before;
  }
  // Two of three calls are cancelled, the others are served.
  void expect_served(Peer& p, int calls) {
    for (int i = 0; i < calls; ++i) {
      pod(1).way = TestPod::Way::kSilent;
      http2::Stream* cancelled = call(p);
      ASSERT_NE(cancelled, nullptr) << i;
      p.h2->reset(*cancelled, ErrorCode::kCancel);
      run();
      pod(1).way = TestPod::Way::kEcho;
      const uint32_t id = 1 + 2 * p.h2->streams_begun();
      call(p);
      EXPECT_TRUE(heard(p, id).closed) << i;
    }
    pod(1).way = TestPod::Way::kSilent;
  }
};

TEST_F(Reconnect, brings_no_new_allowance) {
  const int first = attack();
  EXPECT_GE(first, 900);
  int rest = 0;
  for (int i = 0; i < 20; ++i) rest += attack();
  EXPECT_LE(rest, 1'000 + 19 * (10 + kAtOnce)) << "what was left, and the door of each";
  EXPECT_EQ(worker->http2.guard_rapid_reset.get(), 21u);
  EXPECT_GE(worker->http2.address_allowances.get(), 19u);
}

TEST_F(Reconnect, finds_the_door_open_only_so_often) {
  for (int i = 0; i < 3; ++i) attack();
  int first = 0;
  for (int i = 0; i < 20; ++i) first += attack();
  int second = 0;
  for (int i = 0; i < 20; ++i) second += attack();
  EXPECT_LE(first, 20 * (10 + kAtOnce));
  EXPECT_LE(second, 20 * (1 + kAtOnce));
}

TEST_F(Reconnect, leaves_the_other_clients_of_the_address_their_calls) {
  Peer& before = client();
  for (int i = 0; i < 10; ++i) attack();
  Peer& after = client();
  expect_served(before, 40);
  expect_served(after, 40);
  EXPECT_FALSE(before.ended || after.ended);
}

TEST_F(Reconnect, is_no_matter_at_other_addresses) {
  for (int i = 0; i < 10; ++i) attack();
  outside.move_to("198.18.0.7");
  const uint64_t less = worker->http2.address_allowances.get();
  EXPECT_GE(attack(), 900);
  EXPECT_EQ(worker->http2.address_allowances.get(), less);
}

TEST_F(Reconnect, is_forgiven_with_time) {
  for (int i = 0; i < 10; ++i) attack();
  for (int i = 0; i < 20; ++i) run(1s);
  EXPECT_GE(attack(), 900);
}

TEST_F(Reconnect, meets_a_guard_that_can_be_switched_off) {
  snapshot.guards.resets.burst = 0;
  adopt();
  EXPECT_GE(attack(3'000), 2'900);
  EXPECT_EQ(worker->http2.address_allowances.get(), 0u);
}

TEST_F(Reconnect, or_not_streams_that_all_end_early_are_fewer_at_once) {
  Peer& p = client();
  for (int i = 0; i < 300; ++i) {
    http2::Stream* s = call(p);
    p.h2->reset(*s, ErrorCode::kCancel);
    run();
  }
  for (int i = 0; i < 128; ++i) p.h2->open(grpc(), true, &p.owner);
  run();
  EXPECT_EQ(in_flight(1), 16u);
  EXPECT_EQ(worker->http2.guard_early_ends.get(), 112u);
  EXPECT_FALSE(p.ended) << "long before the guard";
  // Streams that end well make it up.
  for (auto& peer : pod(1).peers)
    peer->h2->for_each_stream([&](http2::Stream& s) { pod(1).answer(*peer, s); });
  run();
  pod(1).way = TestPod::Way::kEcho;
  for (int i = 0; i < 40; ++i) call(p);
  pod(1).way = TestPod::Way::kSilent;
  for (int i = 0; i < 128; ++i) p.h2->open(grpc(), true, &p.owner);
  run();
  EXPECT_EQ(in_flight(1), 128u);
}

TEST_F(Reconnect, or_not_streams_that_were_answered_may_end_in_any_way) {
  pod(1).way = TestPod::Way::kHeadersOnly;
  Peer& p = client();
  for (int i = 0; i < 300; ++i) {
    http2::Stream* s = call(p);
    p.h2->reset(*s, ErrorCode::kCancel);
    run();
  }
  for (int i = 0; i < 128; ++i) p.h2->open(grpc(), true, &p.owner);
  run();
  EXPECT_EQ(in_flight(1), 128u);
}

TEST(AddressTable, remembers_only_so_many_and_only_what_is_worth_it) {
  Time now{1h};
  config::Guards guards;
  AddressTable table(now, guards, SipKey{1, 2});
  const auto comes_and_goes = [&](uint64_t key, bool resets) {
    ClientAddress& e = table.enter(key);
    if (resets) e.origin.take(http::Origin::kResets, 10, guards.resets, 0, now);
    table.leave(e);
  };
  for (uint64_t i = 0; i < 1'000; ++i) comes_and_goes(i, false);
  EXPECT_EQ(table.remembered(), 0u);
  for (uint64_t i = 0; i < 10'000; ++i) comes_and_goes(i, true);
  EXPECT_EQ(table.remembered(), AddressTable::kMaxRemembered);
  now += 1min;  // everything has grown back
  for (uint64_t i = 0; i < 5'000; ++i) comes_and_goes(i, false);
  EXPECT_LE(table.remembered(), 1u);
}

TEST(AddressKey, is_the_address_of_ipv4_and_the_first_half_of_ipv6) {
  const auto key = [](const char* text) { return address_key(*Address::parse(text)); };
  EXPECT_NE(key("198.18.0.1"), key("198.18.0.2"));
  EXPECT_EQ(key("2001:db8::1"), key("2001:db8::ffff:1"));
  EXPECT_NE(key("2001:db8::1"), key("2001:db8:0:1::1"));
}

}  // namespace
}  // namespace sluice::relay
