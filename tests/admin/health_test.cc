#include "admin/health.h"

#include <gtest/gtest.h>

#include "admin/http_answer.h"
#include "example.h"

namespace sluice::admin {
namespace {

class HealthTest : public testing::Test, protected Example {
 protected:
  unsigned health() { return healthz(view()).status; }
  unsigned ready() { return readyz(view()).status; }
};

// The API of a source that has not answered yet.
class Unlisted : public discovery::StaticSource {
 public:
  using StaticSource::StaticSource;
  bool listed() const override { return false; }
  std::string name() const override { return "kubernetes default/echo"; }
};

TEST_F(HealthTest, a_process_that_serves_is_healthy_and_ready) {
  EXPECT_EQ(health(), 200u);
  EXPECT_EQ(ready(), 200u);
}

TEST_F(HealthTest, a_worker_that_stands_still_for_five_seconds_is_dead) {
  stalls[1] = {.standing = true, .times = 1, .seconds = 4.5, .stage = "tx"};
  EXPECT_EQ(health(), 200u);
  stalls[1].seconds = 5;
  EXPECT_EQ(health(), 503u);
  EXPECT_EQ(healthz(view()).body, "worker 1 has stood still for 5 s in tx\n");
  stalls[1].standing = false;
  EXPECT_EQ(health(), 200u);
}

TEST_F(HealthTest, it_is_not_ready_before_each_source_has_had_its_first_list) {
  const Unlisted unlisted{{}};
  sources[0] = &unlisted;
  identity.listed = false;
  EXPECT_EQ(ready(), 503u);
  EXPECT_EQ(readyz(view()).body, "service echo: kubernetes default/echo has not answered yet\n");
  EXPECT_EQ(health(), 200u) << "a restart would not help";
  identity.listed = true;
  EXPECT_EQ(ready(), 200u) << "an API that is lost later changes nothing";
}

TEST_F(HealthTest, it_is_not_ready_without_a_link_or_before_the_workers_have_begun) {
  links[0] = false;
  EXPECT_EQ(readyz(view()).body, "port north has no link\n");
  links.clear();
  EXPECT_EQ(ready(), 200u) << "nothing is known of the links";
  second->adopt(0);
  EXPECT_EQ(readyz(view()).body, "worker 1 has not begun\n");
}

TEST_F(HealthTest, it_is_not_ready_from_the_first_sigterm_on) {
  identity.state = Identity::kDraining;
  EXPECT_EQ(readyz(view()).body, "draining\n");
  EXPECT_EQ(health(), 200u);
}

TEST_F(HealthTest, no_pods_and_a_refused_configuration_change_nothing) {
  snapshot.services[0].pods.clear();
  identity.refused = true;
  EXPECT_EQ(health(), 200u);
  EXPECT_EQ(ready(), 200u);
}

TEST_F(HealthTest, each_path_has_its_answer) {
  MetricsText text;
  EXPECT_EQ(http_answer("/healthz", view(), text).body, "ok\n");
  EXPECT_EQ(http_answer("/readyz", view(), text).body, "ok\n");
  EXPECT_TRUE(http_answer("/metrics", view(), text).content().starts_with("# HELP sluice_"));
  EXPECT_EQ(http_answer("/", view(), text).status, 404u);
}

}  // namespace
}  // namespace sluice::admin
