// docs/counters.md is made of the tables in src/stats, so that no name can be missing. After a
// change of a table: SLUICE_STORE=1 tests/stats/stats_test writes the page anew.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include "stats/worker.h"

namespace sluice::stats {
namespace {

template <class Group>
std::string rows(const char* title, const char* shown_by, const Group& group) {
  std::string out =
      std::string("\n## ") + title + "\n\n" + shown_by + "\n\n| name | meaning |\n|---|---|\n";
  group.for_each([&](std::string_view name, const auto&, std::string_view text) {
    out += "| `" + std::string(name) + "` | " + std::string(text) + " |\n";
  });
  return out;
}

std::string page() {
  const auto worker = std::make_unique<Worker>();
  return "# Counters\n\n"
         "All names that `sluicectl --json` and `sluicectl stats` use, with their meanings. A "
         "table shows\n"
         "the numbers that are not zero. Reasons of dropped packets have a table of their own, "
         "with\n"
         "advice, in [operations.md](operations.md). `tests/stats/page_test.cc` keeps this page "
         "equal to\n"
         "the program.\n" +
         rows("Ports", "`sluicectl stats`, for each worker and port.", worker->port(0)) +
         rows("Listeners", "`sluicectl listeners`.", worker->listener(0)) +
         rows("Pods", "`sluicectl pods`.", worker->pod(0)) +
         rows("TCP", "`sluicectl stats`, for each worker.", worker->tcp) +
         rows("TLS", "`sluicectl stats`, for each worker.", worker->tls) +
         rows("Steering", "`sluicectl stats`, for each worker, where there is more than one.",
              worker->steer) +
         rows("L4", "`sluicectl stats`, for each worker.", worker->l4) +
         rows("Splices",
              "`sluicectl stats`, for each worker: connections whose bytes are relayed "
              "([l4.md](l4.md#relay)).",
              worker->splice) +
         rows(
             "HTTP/2",
             "`sluicectl stats`, for each worker. Those that begin with `guard_` are the counts of "
             "`sluicectl guards`.",
             worker->http2) +
         rows("HTTP/1.1", "`sluicectl stats`, for each worker.", worker->http1) +
         rows("The relay", "`sluicectl stats`, for each worker, among those of HTTP/2.",
              worker->relay);
}

TEST(CountersPage, has_every_name_and_its_meaning) {
  const std::string path = std::string(SLUICE_REPOSITORY) + "/docs/counters.md";
  if (std::getenv("SLUICE_STORE") != nullptr) std::ofstream(path) << page();
  std::ostringstream stored;
  stored << std::ifstream(path).rdbuf();
  EXPECT_TRUE(stored.str() == page())
      << "docs/counters.md is not what src/stats says; SLUICE_STORE=1 writes it anew";
}

}  // namespace
}  // namespace sluice::stats
