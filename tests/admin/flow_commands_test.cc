// The commands about L4 flows: pages of a list, and the flush of a pod.

#include "admin/flow_commands.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::admin {
namespace {

namespace json = boost::json;

class FlowCommands : public testing::Test {
 protected:
  FlowCommands() {
    snapshot.services.push_back({.name = "dns"});
    snapshot.services[0].pods.push_back(
        {.endpoint = *Endpoint::parse("198.18.1.101:53"), .id = "pod-a", .slot = 3});
    snapshot.listeners.push_back({.name = "dns",
                                  .address = *Endpoint::parse("198.18.0.10:53"),
                                  .protocol = config::Protocol::kUdp,
                                  .slot = 7});
    snapshot.listeners.push_back({.name = "web", .slot = 8});
    ledger.record(snapshot, {});
  }
  json::object list(const json::object& request = {}) {
    return list_flows(request, snapshot, ledger, pages);
  }
  // As a worker does.
  static void answer(stats::FlowPage& page, size_t rows, uint64_t next) {
    ASSERT_TRUE(page.asked());
    stats::FlowRow row;
    row.client = *Endpoint::parse("198.18.0.1:40000");
    row.pod = *Endpoint::parse("198.18.1.101:53");
    row.protocol = 17;
    row.listener = 7;
    row.pod_slot = 3;
    page.answer().rows.assign(rows, row);
    page.answer().next = next;
    page.publish();
  }

  config::Snapshot snapshot;
  stats::Worker counters;
  std::vector<stats::Worker*> workers{&counters};
  Ledger ledger{workers};
  stats::FlowPage first, second;
  std::vector<stats::FlowPage*> pages{&first, &second};
};

TEST_F(FlowCommands, page_through_all_workers) {
  EXPECT_TRUE(list().at("pending").as_bool());
  EXPECT_TRUE(list().at("pending").as_bool());
  answer(first, 2, 100);
  json::object page = list();
  EXPECT_FALSE(page.at("pending").as_bool());
  ASSERT_EQ(page.at("flows").as_array().size(), 2u);
  const json::value& row = page.at("flows").at(0);
  EXPECT_EQ(row.at("client").as_string(), "198.18.0.1:40000");
  EXPECT_EQ(row.at("listener").as_string(), "dns");
  EXPECT_EQ(row.at("pod_id").as_string(), "pod-a");
  EXPECT_EQ(row.at("protocol").as_string(), "udp");
  EXPECT_EQ(page.at("from").to_number<uint64_t>(), 100u);

  EXPECT_TRUE(list({{"worker", 0}, {"from", 100}}).at("pending").as_bool());
  EXPECT_EQ(first.question().from, 100u);
  answer(first, 0, stats::FlowPage::kEnd);
  page = list({{"worker", 0}, {"from", 100}});
  EXPECT_FALSE(page.at("last").as_bool());
  EXPECT_EQ(page.at("worker").to_number<uint64_t>(), 1u);
  list({{"worker", 1}, {"from", 0}});
  answer(second, 1, stats::FlowPage::kEnd);
  EXPECT_TRUE(list({{"worker", 1}, {"from", 0}}).at("last").as_bool());
  EXPECT_TRUE(list({{"worker", 2}}).contains("error"));
}

TEST_F(FlowCommands, list_the_flows_of_a_listener_or_a_pod) {
  list({{"listener", "dns"}, {"pod", "pod-a"}});
  EXPECT_EQ(first.question().listener, 7u);
  EXPECT_EQ(first.question().pod, 3u);
  EXPECT_TRUE(list({{"listener", "other"}}).contains("error"));
  EXPECT_TRUE(list({{"listener", "web"}}).contains("error"));
  EXPECT_TRUE(list({{"pod", "other"}}).contains("error"));
}

TEST_F(FlowCommands, flush_a_pod_by_its_address_or_its_id) {
  std::vector<uint32_t> flushed;
  const auto flush = [&](uint32_t slot) { flushed.push_back(slot); };
  for (const char* pod : {"198.18.1.101:53", "pod-a"})
    EXPECT_FALSE(flush_pod({{"pod", pod}}, snapshot, ledger, flush).contains("error"));
  EXPECT_EQ(flushed, (std::vector<uint32_t>{3, 3}));
  EXPECT_TRUE(flush_pod({{"pod", "other"}}, snapshot, ledger, flush).contains("error"));
  EXPECT_TRUE(flush_pod({}, snapshot, ledger, flush).contains("error"));
}

TEST_F(FlowCommands, tell_that_a_listener_relays_bytes_or_that_a_pod_gets_no_packets) {
  EXPECT_TRUE(list({{"pod", "pod-a"}}).at("forwarding").as_bool());
  config::Listener& l = snapshot.listeners[0];
  l.protocol = config::Protocol::kTcp;
  l.l4.mode = config::Forward::kRelay;
  EXPECT_NE(list({{"listener", "dns"}}).at("error").as_string().find("relays bytes"),
            std::string_view::npos);
  EXPECT_FALSE(list({{"pod", "pod-a"}}).at("forwarding").as_bool());
  int flushed = 0;
  const auto answer = flush_pod({{"pod", "pod-a"}}, snapshot, ledger, [&](uint32_t) { ++flushed; });
  EXPECT_FALSE(answer.at("forwarding").as_bool());
  EXPECT_EQ(flushed, 1) << "flows of a listener that has left may be there";
}

}  // namespace
}  // namespace sluice::admin
