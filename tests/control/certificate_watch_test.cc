#include "control/certificate_watch.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

constexpr int64_t kDay = CertificateWatch::kDay;
constexpr int64_t kNow = 2'000'000'000;

config::Snapshot with(const std::string& digest, int64_t begins, int64_t ends) {
  config::Snapshot s;
  config::Listener& l = s.listeners.emplace_back();
  l.name = "edge";
  config::Certificate& c = l.tls.certificates.emplace_back();
  c.certificate_file = "a.pem";
  c.digest = digest;
  c.not_before = kNow + begins;
  c.not_after = kNow + ends;
  return s;
}

TEST(CertificateWatch, warns_from_14_days_before_the_end_once_a_day) {
  CertificateWatch watch;
  const config::Snapshot s = with("x", -kDay, 15 * kDay);
  EXPECT_TRUE(watch.look(s, kNow).empty());
  const auto said = watch.look(s, kNow + kDay);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0], "listener edge: a.pem: the certificate expires in 14 day(s)");
  EXPECT_TRUE(watch.look(s, kNow + kDay + 60).empty());
  EXPECT_EQ(watch.look(s, kNow + 2 * kDay).size(), 1u);
}

TEST(CertificateWatch, says_that_a_certificate_has_expired) {
  CertificateWatch watch;
  const auto said = watch.look(with("x", -kDay, 0), kNow + 1);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_NE(said[0].find("has expired on"), std::string::npos);
}

TEST(CertificateWatch, a_new_certificate_that_is_out_of_its_dates_is_not_taken) {
  const config::Snapshot good = with("good", -kDay, kDay);
  EXPECT_EQ(outdated_news(good, with("new", -kDay, kDay), kNow), "");
  EXPECT_NE(outdated_news(good, with("old", -2 * kDay, -kDay), kNow).find("a.pem"),
            std::string::npos);
  EXPECT_NE(outdated_news(good, with("early", kDay, 2 * kDay), kNow), "");
}

TEST(CertificateWatch, a_certificate_that_expired_in_use_blocks_nothing) {
  const config::Snapshot s = with("x", -2 * kDay, -kDay);
  EXPECT_EQ(outdated_news(s, s, kNow), "");
}

}  // namespace
}  // namespace sluice::control
