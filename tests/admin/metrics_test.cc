// docs/metrics.md is made of the metrics themselves. After a change of a name or a meaning:
// SLUICE_STORE=1 tests/admin/admin_test writes the page anew.

#include "admin/metrics.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "admin/metrics_text.h"
#include "example.h"
#include "support/configuration_files.h"
#include "support/sanitizers.h"

namespace sluice::admin {
namespace {

class MetricsTest : public testing::Test, protected Example {
 protected:
  std::string text() { return metrics(view()).take(); }
  template <class F>
  static double seconds(F&& f) {
    const auto began = std::chrono::steady_clock::now();
    f();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }
  bool has(const std::string& line) { return text().find("\n" + line + "\n") != std::string::npos; }
};

TEST_F(MetricsTest, the_counts_of_workers_are_summed_under_the_names_of_the_configuration) {
  first->listener(0).streams.add(2);
  second->listener(0).streams.add(3);
  first->tcp.resets_out.add(7);
  second->port(0).drop(stats::Drop::kIpChecksum, 4);
  first->pod(3).active.set(5);
  EXPECT_TRUE(has("sluice_listener_streams_total{listener=\"grpc\",service=\"echo\"} 5"));
  EXPECT_TRUE(has("sluice_tcp_resets_out_total 7"));
  EXPECT_TRUE(has("sluice_port_drops_total{port=\"north\",reason=\"ip_checksum\"} 4"));
  EXPECT_TRUE(
      has("sluice_pod_active_streams{service=\"echo\",pod=\"a\",address=\"10.0.0.1:80\"} 5"));
}

TEST_F(MetricsTest, calls_are_summed_by_result_and_duration) {
  using stats::Result;
  using namespace std::chrono_literals;
  first->listener(0).requests.record(Result::kOk, 1ms);
  second->listener(0).requests.record(Result::kOk, 3s);
  second->listener(0).requests.record(Result::k5xx, 100h);
  EXPECT_TRUE(has("sluice_requests_total{listener=\"grpc\",service=\"echo\",code=\"OK\"} 2"));
  EXPECT_TRUE(has("sluice_requests_total{listener=\"grpc\",service=\"echo\",code=\"2xx\"} 0"));
  EXPECT_TRUE(has("sluice_requests_total{listener=\"grpc\",service=\"echo\",code=\"5xx\"} 1"));
  const std::string name = "sluice_request_duration_seconds";
  const std::string labels = "{listener=\"grpc\",service=\"echo\"";
  EXPECT_TRUE(has(name + "_bucket" + labels + ",le=\"0.000524288\"} 0"));
  EXPECT_TRUE(has(name + "_bucket" + labels + ",le=\"0.001048576\"} 1"));
  EXPECT_TRUE(has(name + "_bucket" + labels + ",le=\"68.719476736\"} 2"));
  EXPECT_TRUE(has(name + "_bucket" + labels + ",le=\"+Inf\"} 3"));
  EXPECT_TRUE(has(name + "_count" + labels + "} 3"));
  EXPECT_TRUE(has(name + "_sum" + labels + "} 360003.001"));
}

TEST_F(MetricsTest, labels_are_escaped) {
  snapshot.services[0].name = "a\\b\"c\nd";
  ledger.record(snapshot, {});
  EXPECT_TRUE(has("sluice_service_queued{service=\"a\\\\b\\\"c\\nd\"} 0"));
}

TEST_F(MetricsTest, the_series_of_a_pod_that_left_go_on_for_a_while) {
  snapshot.services[0].pods.clear();
  ledger.record(snapshot, {});
  EXPECT_TRUE(has("sluice_pod_draining{service=\"echo\",pod=\"a\",address=\"10.0.0.1:80\"} 1"));
  EXPECT_TRUE(ledger.pods(snapshot).empty()) << "sluicectl shows what still has streams";
}

// The tool of Prometheus that judges names, types and help (Debian package prometheus).
TEST_F(MetricsTest, promtool_has_no_complaint) {
  if (std::system("command -v promtool >/dev/null") != 0) GTEST_SKIP() << "no promtool";
  const test::Files files;
  files.write("metrics", text());
  const std::string command =
      "promtool check metrics < " + files.path("metrics").string() + " 2>&1";
  FILE* out = ::popen(command.c_str(), "r");
  std::string complaints;
  for (int c = std::fgetc(out); c != EOF; c = std::fgetc(out)) complaints += static_cast<char>(c);
  EXPECT_EQ(::pclose(out), 0) << complaints;
}

// The time of a scrape is compared with the time of a bare loop that prints as many lines, on the
// same machine at the same moment. It takes about four times as long, some 20 ms.
TEST_F(MetricsTest, a_scrape_of_ten_thousand_pods_takes_at_most_a_few_times_bare_printing) {
  auto& pods = snapshot.services[0].pods.edit();
  pods.clear();
  for (uint32_t i = 0; i < 10'000; ++i)
    pods.push_back({.endpoint = {Address::v4(0x0a000000 + i), 80},
                    .id = "00000000-0000-0000-0000-" + std::to_string(100'000'000'000 + i),
                    .slot = i});
  ledger.record(snapshot, {});
  double best = 1e9;  // of several tries: a stall of the machine hits one of them
  size_t series = 0;
  for (int i = 0; i < 5; ++i) {
    std::string all;
    const double took = seconds([&] { all = text(); });
    series = std::count(all.begin(), all.end(), '\n');
    std::string bare;
    const double printing = seconds([&] {
      char line[160];
      for (size_t n = 0; n < series; ++n) {
        std::snprintf(line, sizeof line, "sluice_pod{service=\"%s\",pod=\"%zu\"} %zu\n", "echo", n,
                      n);
        bare += line;
      }
    });
    best = std::min(best, took / printing);
  }
  EXPECT_LT(series, 150'000u);
  if (!test::kSanitized) {
    EXPECT_LT(best, 20);
  }
  RecordProperty("of_bare_printing_in_percent", static_cast<int>(best * 100));
}

TEST(MetricsTextTest, a_text_is_used_for_nine_times_as_long_as_it_took_to_make) {
  using namespace std::chrono_literals;
  MetricsText text;
  MetricsText::Clock::time_point now{1h};
  int made = 0;
  const auto get = [&] {
    return *text.get(
        [&] {
          now += 100ms;
          return std::to_string(++made);
        },
        [&] { return now; });
  };
  EXPECT_EQ(get(), "1");
  now += 899ms;
  EXPECT_EQ(get(), "1");
  now += 1ms;
  EXPECT_EQ(get(), "2");
}

std::string page(const Exposition& all) {
  std::string out =
      "# Metrics\n\n"
      "With `http` of `[admin]` ([configuration.md](configuration.md#admin)) Sluice answers\n"
      "`GET /metrics` in the text format of Prometheus. The names on this page stay: a name may "
      "be\n"
      "added, and none is changed or dropped without a line in [changes.md](changes.md).\n\n"
      "- Numbers of a listener, a service or a port are sums over all workers. No label has bytes\n"
      "  of a client.\n"
      "- `sluice_requests_total` counts calls: requests that have ended for their client. `code` "
      "is\n"
      "  the gRPC status of a gRPC call, and of others the class of the HTTP status, or "
      "`incomplete`\n"
      "  without the whole answer. A result that was never seen has no series. Requests that a\n"
      "  codec, a guard or `health_path` has answered are no calls. The service is the listener's\n"
      "  present one. An open tunnel ends when its connection does.\n"
      "- Pods have counters and gauges, no histograms. `pod` is the id of the endpoint: in\n"
      "  Kubernetes the UID of the pod. The series of a pod that has left end after 5 minutes, or\n"
      "  when another pod takes its counters.\n"
      "- A counter begins at zero with the process (`sluice_start_time_seconds`).\n"
      "- A scrape runs on the control thread, and no worker notices it. Numbers are at most nine\n"
      "  times as old as they took to gather: a few milliseconds, or half a second with thousands\n"
      "  of pods.\n\n"
      "`/healthz` is 200 while each worker turns, and 503 when one has not turned for 5 s.\n"
      "`/readyz` is 200 when each source of endpoints has had its first list, each port has a\n"
      "link, and the workers have bound the VIPs. It is 503 from the first SIGTERM on, before\n"
      "`drain_announce` begins. A lost API, a service without pods and a refused configuration\n"
      "change neither.\n\n"
      "`tests/admin/metrics_test.cc` keeps the table equal to the program.\n\n"
      "| name | type | labels | meaning |\n|---|---|---|---|\n";
  for (const Exposition::Family& f : all.families())
    out += "| `" + f.name + "` | " + std::string(text_of(f.type)) + " | " + f.labels + " | " +
           f.help + " |\n";
  return out;
}

TEST_F(MetricsTest, the_page_has_every_name_and_its_meaning) {
  const std::string path = std::string(SLUICE_REPOSITORY) + "/docs/metrics.md";
  const std::string wanted = page(metrics(view()));
  if (std::getenv("SLUICE_STORE") != nullptr) std::ofstream(path) << wanted;
  std::ostringstream stored;
  stored << std::ifstream(path).rdbuf();
  EXPECT_TRUE(stored.str() == wanted)
      << "docs/metrics.md is not what /metrics says; SLUICE_STORE=1 writes it anew";
}

}  // namespace
}  // namespace sluice::admin
