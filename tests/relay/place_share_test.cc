// Calls that hang take all the places that the pods have for calls, or all of queued_streams.

#include "frame_pod.h"

namespace sluice::relay {
namespace {

// The pod answers whole requests and lets others hang.
struct PlaceShare : RelayTest {
  PlaceShare() {
    pod.limit = 2;
    pod.answers_requests = true;
    snapshot.services[0].queue_limit = 200;
  }

  static constexpr uint32_t kPlaces = 2 * upstream::Pool::kMaxConnections;

  void hang(Peer& p, int calls) {
    for (int i = 0; i < calls; ++i) p.h2->open(grpc(), false, &p.owner);
    run(1s);  // as many connections as it takes
  }
  // Clients at the attacker's address with more calls than there are places.
  std::vector<Peer*> attack() {
    std::vector<Peer*> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(&client());
      hang(*all.back(), 100);
    }
    EXPECT_EQ(in_flight(4), kPlaces);
    EXPECT_GE(worker->service(0).queued.get(), 20u);
    given_up_ = worker->relay.place_shares.get();  // its own connections share, too
    return all;
  }
  // How long a call takes.
  Duration serve(Peer& p) {
    const uint32_t id = 1 + 2 * p.h2->streams_begun();
    const Time began = now;
    call(p);
    while (!heard(p, id).closed && now - began < 6s) run(10ms);
    EXPECT_EQ(field(heard(p, id).headers, Name::kGrpcStatus), "(none)") << "not Sluice's answer";
    return now - began;
  }
  void expect_served(Peer& p) {
    EXPECT_LE(serve(p), 400ms) << "the first call";
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(serve(p), Duration::zero()) << i;
      run(20ms);
    }
  }
  uint64_t given_up() { return worker->relay.place_shares.get() - given_up_; }

  FramePod pod{outside, 4};
  uint64_t given_up_ = 0;
};

TEST_F(PlaceShare, of_a_client_at_another_address_is_kept_free_for_it) {
  endpoints({4});
  attack();
  outside.move_to("198.18.0.7");
  Peer& honest = client();
  expect_served(honest);
  EXPECT_GE(given_up(), 1u);
  EXPECT_LE(given_up(), 4u) << "no more than were wanted";
  EXPECT_GT(worker->relay.place_share_waits.get(), 0u);
  end();
}

TEST_F(PlaceShare, of_a_connection_from_the_same_address_is_kept_free_for_it) {
  endpoints({4});
  attack();
  Peer& honest = client();
  expect_served(honest);
  EXPECT_GE(given_up(), 1u);
  EXPECT_LE(given_up(), kPlaces / 2) << "the attacker's smaller connections have their share, too";
  end();
}

TEST_F(PlaceShare, is_as_large_as_what_others_have) {
  endpoints({4});
  attack();
  outside.move_to("198.18.0.7");
  Peer& honest = client();
  for (int i = 0; i < 100; ++i) honest.h2->open(grpc(), false, &honest.owner);
  run(3s);
  uint64_t waits = 0;
  for (const auto& [id, h] : honest.owner.streams) waits += h.ended;
  EXPECT_EQ(waits, 0u);
  EXPECT_EQ(given_up(), kPlaces / 2);
  EXPECT_EQ(in_flight(4), kPlaces);
  end();
}

TEST_F(PlaceShare, is_everything_for_a_client_that_is_alone) {
  endpoints({4});
  hang(client(), static_cast<int>(kPlaces));
  EXPECT_EQ(in_flight(4), kPlaces);
  run(2s);
  EXPECT_EQ(given_up(), 0u);
  end();
}

TEST_F(PlaceShare, is_not_taken_from_those_who_have_no_more_than_theirs) {
  endpoints({4});
  for (int i = 0; i < 4; ++i) hang(client(), 32);
  EXPECT_EQ(in_flight(4), kPlaces);
  for (auto& p : clients) p->h2->open(grpc(), false, &p->owner);
  run(4s);
  EXPECT_EQ(given_up(), 0u);
  end();
}

TEST_F(PlaceShare, does_not_bind_a_client_while_many_places_are_free) {
  endpoints({4});
  attack();
  outside.move_to("198.18.0.7");
  Peer& honest = client();
  expect_served(honest);
  for (auto& p : clients)
    if (p.get() != &honest)
      p->h2->for_each_stream(
          [&](http::Stream& s) { p->h2->reset(s, http::EndReason::kCancelled); });
  run(1s);
  EXPECT_EQ(in_flight(4), 0u);
  hang(honest, static_cast<int>(kPlaces) / 2 + 20);
  EXPECT_EQ(in_flight(4), kPlaces / 2 + 20) << "more than half, of two addresses";
  end();
}

TEST_F(PlaceShare, of_the_queue_is_not_lost_to_a_client_that_fills_it) {
  endpoints({4});
  hang(client(), static_cast<int>(kPlaces));
  snapshot.services[0].queue_limit = 20;
  adopt();
  Peer& attacker = client();
  for (int i = 0; i < 30; ++i) attacker.h2->open(grpc(), false, &attacker.owner);
  run();
  EXPECT_EQ(worker->service(0).queued.get(), 20u);
  outside.move_to("198.18.0.7");
  const uint64_t before = worker->relay.queue_overflows.get();
  Peer& honest = client();
  expect_served(honest);
  EXPECT_GE(worker->relay.queue_shares.get(), 1u);
  EXPECT_EQ(worker->relay.queue_overflows.get() - before, worker->relay.queue_shares.get());
  end();
}

}  // namespace
}  // namespace sluice::relay
