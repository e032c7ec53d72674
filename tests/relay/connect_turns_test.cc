// Thousands of endpoints behind which nobody is, and pods that are to be connected to beside them.

#include "upstream/connect_turns.h"
#include "fixture.h"
#include "tls/client_context.h"

namespace sluice::relay {
namespace {

using upstream::ConnectTurns;

struct DeadPods : RelayTest {
  static constexpr uint32_t kDead = 4'000;
  static constexpr uint32_t kFirstSlot = 100;

  DeadPods() {
    snapshot.services.push_back(
        {.name = "other", .connect_timeout = 1s, .queue_timeout = 5s, .queue_limit = 4});
    snapshot.services[1].slot = 1;
    for (uint32_t i = 0; i < kDead; ++i)
      snapshot.services[0].pods.push_back(
          {.endpoint = {*Address::parse("198.18.1.200"), static_cast<uint16_t>(20'000 + i)},
           .id = "dead" + std::to_string(i),
           .slot = kFirstSlot + i});
  }
  // SYNs to them are lost, as they are where no host has the address.
  void silence() { outside.mute = *Address::parse("198.18.1.200"); }
  void add(size_t service, int n) {
    snapshot.services[service].pods.push_back(
        {.endpoint = pod_at(n), .id = "pod" + std::to_string(n), .slot = static_cast<uint32_t>(n)});
    adopt();
  }
  uint64_t connects() {
    uint64_t n = 0;
    for (uint32_t i = 0; i < kDead; ++i) n += worker->pod(kFirstSlot + i).connects.get();
    return n;
  }
  pods::Connectivity state(uint32_t slot) {
    return static_cast<pods::Connectivity>(worker->pod(slot).state.get());
  }
};

TEST_F(DeadPods, a_configuration_with_thousands_of_pods_begins_a_few_connects_in_a_turn) {
  silence();
  adopt();
  EXPECT_EQ(connects(), 0u);
  turn();
  EXPECT_EQ(connects(), ConnectTurns::kInATurn);
  EXPECT_EQ(state(kFirstSlot + kDead - 1), pods::Connectivity::kConnecting) << "calls wait for it";
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_EQ(connects(), ConnectTurns::kWindow[0]);
}

TEST_F(DeadPods, nobody_answers_and_each_is_tried_soon_all_the_same) {
  silence();
  adopt();
  pass(kDead / ConnectTurns::kWindow[0] * ConnectTurns::kAnswerTime + 200ms);
  EXPECT_EQ(connects(), kDead);
}

TEST_F(DeadPods, a_pod_of_another_service_is_connected_to_in_the_next_window) {
  silence();
  adopt();
  for (int i = 0; i < 100; ++i) turn();
  add(1, 1);
  pass(ConnectTurns::kAnswerTime + 3ms);
  EXPECT_EQ(state(1), pods::Connectivity::kReady);
  EXPECT_LT(connects(), kDead / 2);
}

TEST_F(DeadPods,
       a_new_pod_of_their_own_service_is_connected_to_at_once_while_they_are_tried_again) {
  adopt();
  run();
  EXPECT_EQ(connects(), kDead);
  EXPECT_EQ(state(kFirstSlot), pods::Connectivity::kTransientFailure);
  // All are to be tried again at about the same moment, and nobody answers any more.
  silence();
  pass(1s);
  ASSERT_GT(connects(), kDead + ConnectTurns::kWindow[1]);
  ASSERT_LT(connects(), 2 * kDead);
  add(0, 1);
  for (int i = 0; i < 4; ++i) turn();
  EXPECT_EQ(state(1), pods::Connectivity::kReady);
  Peer& c = client();
  call(c);
  EXPECT_EQ(heard(c).body, "pod1");
}

TEST_F(DeadPods, a_pod_that_leaves_while_it_waits_is_not_connected_to) {
  silence();
  adopt();
  turn();
  snapshot.services[0].pods.clear();
  adopt();
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_EQ(connects(), ConnectTurns::kInATurn);
  EXPECT_EQ(state(kFirstSlot + kDead - 1), pods::Connectivity::kShutdown);
}

// Pods that speak TLS, behind which there is somebody who takes connections and says nothing.
struct SilentTlsPods : DeadPods {
  struct Nobody final : tcp::User, tcp::Acceptor {
    tcp::User* on_accept(tcp::Connection&) override { return this; }
    void on_established(tcp::Connection&) override {}
    void on_data(tcp::Connection& c, buf::Slice data) override { c.consumed(data.size()); }
    void on_end_of_data(tcp::Connection& c) override { c.close(); }
    void on_writable(tcp::Connection&) override {}
    void on_closed(tcp::Connection&, tcp::CloseReason) override {}
  };
  static constexpr uint32_t kSilent = 600;

  SilentTlsPods() {
    config::Service& service = snapshot.services[0];
    keep(kSilent);
    service.protocol = config::PodProtocol::kH2;
    service.tls.verify = config::TlsClient::Verify::kNone;
    std::string error;
    service.tls.context = tls::ClientContext::make(service.tls, "h2", nullptr, nullptr, 1, error);
    for (const config::Pod& pod : service.pods) outside.stack.listen(pod.endpoint, &nobody);
  }
  ~SilentTlsPods() override { end(); }
  // Of the pods, the first n.
  void keep(uint32_t n) { snapshot.services[0].pods.edit().resize(n); }
  uint64_t handshakes() const { return worker->tls.handshaking.get(); }

  Nobody nobody;
};

TEST_F(SilentTlsPods, are_failed_connects_within_the_connect_timeout) {
  keep(1);
  snapshot.services[0].connect_timeout = 500ms;  // less than the backoff
  adopt();
  run(480ms);
  EXPECT_EQ(handshakes(), 1u);
  EXPECT_EQ(state(kFirstSlot), pods::Connectivity::kConnecting);
  run(40ms);
  EXPECT_EQ(handshakes(), 0u);
  EXPECT_EQ(state(kFirstSlot), pods::Connectivity::kTransientFailure);
  EXPECT_EQ(worker->pod(kFirstSlot).connect_failures.get(), 1u);
  EXPECT_EQ(worker->tls.pod_handshakes_failed.get(), 1u);
  bool told = false;
  while (const auto change = worker->changes.pop())
    told |= std::string_view(change->reason) == "no end of the TLS handshake in time";
  EXPECT_TRUE(told);
}

TEST_F(SilentTlsPods, are_counted_as_long_as_pods_that_owe_their_SETTINGS) {
  adopt();
  pass(ConnectTurns::kGreetingTime / 2);
  EXPECT_EQ(connects(), ConnectTurns::kWindow[0]);
  pass(ConnectTurns::kGreetingTime);
  EXPECT_GT(connects(), ConnectTurns::kWindow[0]);
}

}  // namespace
}  // namespace sluice::relay
