// Guards against records that an ordinary client does not make.

#include <openssl/ssl3.h>

#include "tls/fixture.h"
#include "tls/record_maker.h"

namespace sluice::test {
namespace {

class GuardTest : public TlsTest, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    context.own_records = GetParam();
    client.only(TLS1_3_VERSION);
    SSL_set_ciphersuites(client.ssl(), "TLS_AES_128_GCM_SHA256");
    open();
    maker.emplace(client.traffic_secret);
  }
  void data(std::string_view content) { to_server(maker->make(SSL3_RT_APPLICATION_DATA, content)); }
  bool ended() const { return lower->closed; }
  // The guard's alert, as the client hears it.
  void hears_alert() {
    client.hear(lower->drain());
    client.turn();
    EXPECT_EQ(client.error, "tlsv1 alert internal error");
    EXPECT_FALSE(client.ended) << "no close_notify";
    EXPECT_EQ(stats.alerts_out.get(), ++alerts);
  }
  void pass(Time until) {
    for (context.now = std::min(until, context.now); context.now < until;) {
      context.now = std::min<Time>(until, context.now + 100ms);
      wheel.advance(context.now);
    }
  }

  std::optional<RecordMaker> maker;
  uint64_t alerts = 0;
};

TEST_P(GuardTest, takes_the_records_that_this_test_makes) {
  data("one");
  data("two");
  EXPECT_EQ(owner.heard, "onetwo");
}

TEST_P(GuardTest, takes_empty_records_up_to_a_limit) {
  context.guards.empty_records = {50, 2};
  for (int i = 0; i < 50; ++i) {
    data("");
    if (i % 10 == 0) data("something");  // OpenSSL takes 32 empty records in a row
  }
  EXPECT_FALSE(ended());
  context.now = Time{} + 1s;
  data("");
  data("");
  EXPECT_FALSE(ended()) << "two more a second";
  data("");
  EXPECT_TRUE(ended());
  EXPECT_EQ(owner.heard.back(), '!');
  EXPECT_EQ(stats.guard_empty_records.get(), 1u);
  EXPECT_STREQ(events.pop()->guard, "empty_records");
  hears_alert();
}

TEST_P(GuardTest, takes_few_empty_records_in_a_row_whatever_the_limit) {
  context.guards.empty_records = {0, 0};  // off
  for (int i = 0; i < 100 && !ended(); ++i) data("");
  EXPECT_TRUE(ended());
  EXPECT_EQ(stats.broken.get(), 1u);
}

TEST_P(GuardTest, an_alert_other_than_close_notify_ends_the_stream) {
  const char alert[] = {1, SSL_AD_NO_RENEGOTIATION};  // a warning
  to_server(maker->make(SSL3_RT_ALERT, std::string_view(alert, 2)));
  EXPECT_TRUE(ended()) << "TLS 1.3 has no warnings (RFC 8446, 6)";
  EXPECT_EQ(owner.heard, "!");
  EXPECT_EQ(stats.alerts_in.get(), 1u);
}

TEST_P(GuardTest, takes_few_warnings_that_the_user_has_cancelled) {
  const char alert[] = {1, SSL_AD_USER_CANCELLED};  // the one warning that is left
  int taken = 0;
  for (; taken < 100 && !ended(); ++taken)
    to_server(maker->make(SSL3_RT_ALERT, std::string_view(alert, 2)));
  EXPECT_TRUE(ended());
  EXPECT_EQ(taken, 5);
  EXPECT_EQ(stats.guard_warning_alerts.get(), 1u);
  EXPECT_STREQ(events.pop()->guard, "warning_alerts");
}

TEST_P(GuardTest, a_ticket_from_a_client_ends_the_stream) {
  const char ticket[] = {SSL3_MT_NEWSESSION_TICKET, 0, 0, 4, 0, 0, 0, 0};
  to_server(maker->make(SSL3_RT_HANDSHAKE, std::string_view(ticket, sizeof ticket)));
  EXPECT_TRUE(ended());
  EXPECT_EQ(stats.broken.get(), 1u);
}

TEST_P(GuardTest, a_record_without_a_type_ends_the_stream) {
  to_server(maker->make(0, std::string(100, '\0')));  // padding only (RFC 8446, 5.4)
  EXPECT_TRUE(ended());
  EXPECT_EQ(stats.broken.get(), 1u);
}

TEST_P(GuardTest, padding_does_not_make_a_record_longer_than_its_content) {
  std::string padded = "x";
  padded += static_cast<char>(SSL3_RT_APPLICATION_DATA);
  padded.append(50, '\0');
  to_server(maker->make(0, padded));
  EXPECT_EQ(owner.heard, "x");
}

TEST_P(GuardTest, a_record_has_to_end_in_time) {
  // The whole header, a part of it, and all but the last byte.
  for (const size_t part : {5, 2, 5 + 7 + 1 + 16 - 1}) {
    if (part != 5) {
      client.renew();
      SetUp();
    }
    context.guards.record_timeout = 7s;
    const Time begun = context.now;
    to_server(maker->make(SSL3_RT_APPLICATION_DATA, "before"));
    to_server(maker->make(SSL3_RT_APPLICATION_DATA, "content").substr(0, part));
    pass(begun + 7s - 1ms);
    EXPECT_FALSE(ended()) << part;
    pass(begun + 8s);
    EXPECT_TRUE(ended()) << part;
    EXPECT_EQ(owner.heard, "before!") << part;
    EXPECT_STREQ(events.pop()->guard, "record_timeout");
    hears_alert();
  }
  EXPECT_EQ(stats.guard_record_timeout.get(), 3u);
}

TEST_P(GuardTest, each_record_has_its_own_time) {
  context.guards.record_timeout = 7s;
  std::string record = maker->make(SSL3_RT_APPLICATION_DATA, "content");
  for (int i = 0; i < 20; ++i) {
    to_server(record.substr(0, 20));
    pass(context.now + 5s);
    const std::string next = maker->make(SSL3_RT_APPLICATION_DATA, "content");
    to_server(record.substr(20) + next.substr(0, 1));
    record = next;
    to_server(record.substr(1));
    pass(context.now + 5s);
    record = maker->make(SSL3_RT_APPLICATION_DATA, "content");
  }
  pass(context.now + 60s);
  EXPECT_FALSE(ended()) << "between records a peer may be silent";
  EXPECT_EQ(stats.guard_record_timeout.get(), 0u);
}

TEST_P(GuardTest, a_record_behind_one_that_said_nothing_to_the_owner_has_its_own_time) {
  context.guards.record_timeout = 7s;
  const std::string empty = maker->make(SSL3_RT_APPLICATION_DATA, "");
  to_server(empty.substr(0, 10));
  pass(context.now + 5s);
  to_server(empty.substr(10) + maker->make(SSL3_RT_APPLICATION_DATA, "content").substr(0, 10));
  pass(context.now + 5s);
  EXPECT_FALSE(ended());
  pass(context.now + 3s);
  EXPECT_TRUE(ended());
}

TEST_P(GuardTest, a_record_behind_our_own_end_has_no_time) {
  context.guards.record_timeout = 7s;
  to_server(maker->make(SSL3_RT_APPLICATION_DATA, "content").substr(0, 10));
  server->close();
  pass(context.now + 60s);
  EXPECT_EQ(stats.guard_record_timeout.get(), 0u);
  EXPECT_EQ(stats.alerts_out.get(), 1u) << "close_notify";
}

TEST_P(GuardTest, a_guard_behind_our_own_end_writes_nothing) {
  context.guards.empty_records = {5, 1};
  server->close();
  lower->drain();
  for (int i = 0; i < 6; ++i) data("");
  EXPECT_EQ(stats.guard_empty_records.get(), 1u);
  EXPECT_EQ(owner.heard, "!");
  EXPECT_EQ(lower->drain(), "");
  EXPECT_EQ(stats.alerts_out.get(), 1u);
}

TEST_P(GuardTest, a_record_that_waits_for_the_owner_may_take_long) {
  context.guards.record_timeout = 7s;
  owner.reads = false;
  data("content");
  to_server(maker->make(SSL3_RT_APPLICATION_DATA, "more").substr(0, 10));
  pass(context.now + 60s);
  EXPECT_FALSE(ended());
  server->consumed(7);
  pass(context.now + 6s);
  EXPECT_FALSE(ended());
  pass(context.now + 8s);
  EXPECT_TRUE(ended());
}

INSTANTIATE_TEST_SUITE_P(Layers, GuardTest, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "own_records" : "openssl");
});

}  // namespace
}  // namespace sluice::test
