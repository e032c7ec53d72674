#include "discovery/dns/name_watch.h"

#include <gtest/gtest.h>

namespace sluice::discovery::dns {
namespace {

class NameWatchTest : public testing::Test {
 protected:
  using Question = NameWatch::Question;

  void begin(const char* target) { watch.emplace(*Target::parse(target), 30s); }
  static Record a(const char* address, uint32_t ttl = 5) {
    return {.type = Type::kA, .ttl = ttl, .address = *Address::parse(address)};
  }
  static Record srv(const char* target, uint16_t port, uint16_t priority = 0, uint16_t weight = 0) {
    return {.type = Type::kSrv,
            .ttl = 5,
            .priority = priority,
            .weight = weight,
            .port = port,
            .target = target};
  }
  void answer(const Question& q, std::vector<Record> records) {
    watch->answer(now, q, {.kind = Result::Kind::kRecords, .records = std::move(records)});
  }
  void none(const Question& q) {
    watch->answer(now, q, {.kind = Result::Kind::kNone, .why = "none"});
  }
  void fail(const Question& q) {
    watch->answer(now, q, {.kind = Result::Kind::kFailure, .why = "SERVFAIL"});
  }
  std::string endpoints() const {
    const auto set = watch->endpoints();
    if (!set) return "unknown";
    std::string out;
    for (const Endpoint& e : *set) out += (out.empty() ? "" : " ") + e.address.str();
    return out;
  }

  const Question v4{"pods.test", Type::kA}, v6{"pods.test", Type::kAaaa};
  Time now{1h};
  std::optional<NameWatch> watch;
};

TEST_F(NameWatchTest, a_name_with_a_number_is_asked_for_its_addresses_of_both_families) {
  begin("pods.test:80");
  EXPECT_EQ(watch->due(now), (std::vector<Question>{v4, v6}));
  EXPECT_TRUE(watch->due(now).empty()) << "they are under way";
  EXPECT_EQ(watch->next(), kNever);
  answer(v4, {a("10.0.0.2"), a("10.0.0.1")});
  EXPECT_EQ(endpoints(), "unknown");
  none(v6);
  EXPECT_EQ(endpoints(), "10.0.0.1:80 10.0.0.2:80");
  EXPECT_EQ(watch->error(), "");
}

TEST_F(NameWatchTest, a_name_is_asked_for_again_when_its_shortest_ttl_is_over) {
  begin("pods.test:80");
  const std::pair<uint32_t, Duration> cases[] = {{5, 5s}, {0, 1s}, {3600, 30s}};
  for (const auto& [ttl, delay] : cases) {
    watch->due(now);
    answer(v4, {a("10.0.0.1", ttl), a("10.0.0.2", 100'000)});
    none(v6);
    now += delay - 1ms;
    for (const Question& q : watch->due(now)) EXPECT_NE(q, v4) << ttl;
    now += 1ms;
    const auto due = watch->due(now);
    EXPECT_NE(std::find(due.begin(), due.end(), v4), due.end()) << ttl;
    now += 1h;
  }
}

TEST_F(NameWatchTest, a_failure_is_no_first_list_and_the_news_that_there_is_none_is_one) {
  begin("pods.test:80");
  watch->due(now);
  fail(v4);
  fail(v6);
  EXPECT_FALSE(watch->listed());
  none(v4);
  EXPECT_FALSE(watch->listed());
  none(v6);
  EXPECT_TRUE(watch->listed());
  fail(v4);
  EXPECT_TRUE(watch->listed()) << "the first list is not lost again";
}

TEST_F(NameWatchTest, failures_and_negative_answers_keep_the_last_set) {
  begin("pods.test:80");
  watch->due(now);
  answer(v4, {a("10.0.0.1")});
  none(v6);
  fail(v4);
  EXPECT_EQ(endpoints(), "10.0.0.1:80");
  EXPECT_EQ(watch->error(), "pods.test: SERVFAIL");
  none(v4);
  EXPECT_EQ(endpoints(), "10.0.0.1:80");
  answer(v4, {a("10.0.0.2")});
  EXPECT_EQ(endpoints(), "10.0.0.2:80");
  EXPECT_EQ(watch->error(), "");
}

TEST_F(NameWatchTest, a_family_that_has_gone_is_gone_when_the_other_is_there) {
  begin("pods.test:80");
  watch->due(now);
  answer(v4, {a("10.0.0.1")});
  answer(v6, {a("2001:db8::1", 30)});
  EXPECT_EQ(endpoints(), "10.0.0.1:80 [2001:db8::1]:80");
  now += 5s;
  watch->due(now);
  none(v4);
  EXPECT_EQ(watch->due(now), (std::vector<Question>{v6})) << "without waiting for its TTL";
  EXPECT_EQ(endpoints(), "10.0.0.1:80 [2001:db8::1]:80") << "AAAA may be gone as well";
  answer(v6, {a("2001:db8::1", 30)});
  EXPECT_EQ(endpoints(), "[2001:db8::1]:80");
  none(v6);
  EXPECT_EQ(endpoints(), "[2001:db8::1]:80") << "what has gone does not come back";
}

TEST_F(NameWatchTest, a_name_that_loses_both_families_keeps_both) {
  begin("pods.test:80");
  watch->due(now);
  answer(v4, {a("10.0.0.1")});
  answer(v6, {a("2001:db8::1")});
  none(v4);
  none(v6);
  EXPECT_EQ(endpoints(), "10.0.0.1:80 [2001:db8::1]:80");
}

TEST_F(NameWatchTest, failures_are_asked_again_after_one_to_five_seconds) {
  begin("pods.test:80");
  for (const Duration delay : {1s, 2s, 4s, 5s, 5s}) {
    watch->due(now);
    fail(v4);
    none(v6);
    EXPECT_EQ(watch->next() - now, delay);
    now = watch->next();
  }
}

TEST_F(NameWatchTest, a_named_port_is_asked_for_as_a_service_and_its_targets_are_followed) {
  begin("pods.test:grpc");
  const Question service{"_grpc._tcp.pods.test", Type::kSrv};
  EXPECT_EQ(watch->due(now), (std::vector<Question>{service}));
  answer(service, {srv("one.test", 8080, 1, 3), srv("two.test", 8081, 1), srv("far.test", 1, 2)});
  EXPECT_EQ(watch->due(now).size(), 6u);
  for (const char* t : {"one.test", "two.test", "far.test"}) {
    EXPECT_EQ(endpoints(), "unknown");
    answer({t, Type::kA}, {a(t == std::string("one.test") ? "10.0.0.1" : "10.0.0.2")});
    none({t, Type::kAaaa});
  }
  EXPECT_EQ(endpoints(), "10.0.0.1:8080 10.0.0.2:8081") << "of the first priority";
  EXPECT_EQ(watch->endpoints()->at(0).weight, 3u);
  answer(service, {srv("two.test", 8081)});
  EXPECT_EQ(endpoints(), "10.0.0.2:8081");
  none({"one.test", Type::kA});
  EXPECT_EQ(endpoints(), "10.0.0.2:8081") << "nobody asked";
}

TEST_F(NameWatchTest, a_failed_connection_asks_again_once_a_second) {
  begin("pods.test:80");
  watch->due(now);
  answer(v4, {a("10.0.0.1", 30)});
  none(v6);
  watch->doubt(now + 10s);
  EXPECT_EQ(watch->next(), now + 1s) << "of AAAA";
  EXPECT_EQ(watch->due(now + 10s).size(), 2u);
  answer(v4, {a("10.0.0.1", 30)});
  watch->doubt(now + 10s);
  EXPECT_EQ(watch->next(), now + 11s);
}

TEST(DnsTarget, is_a_name_and_a_port) {
  EXPECT_EQ(Target::parse("Pods.Test.:80")->str(), "pods.test:80");
  EXPECT_EQ(Target::parse("pods.test:grpc")->number(), std::nullopt);
  for (const char* bad : {"pods.test", "pods.test:", ":80", "a..b:80", "pods.test:0",
                          "pods.test:70000", "a b:80", "pods.test:a.b"})
    EXPECT_FALSE(Target::parse(bad)) << bad;
}

}  // namespace
}  // namespace sluice::discovery::dns
