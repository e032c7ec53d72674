#include "admin/answer.h"

#include <gtest/gtest.h>

#include <memory>

#include <boost/json/serialize.hpp>

#include "admin/pod_state.h"
#include "sluicectl/tables.h"

namespace sluice::admin {
namespace {

class ReportTest : public testing::Test {
 protected:
  ReportTest() {
    snapshot.generation = 1;
    config::Port port;
    port.name = "north";
    snapshot.startup.ports.push_back(port);
    config::Service service;
    service.name = "echo";
    service.pods.push_back({.endpoint = *Endpoint::parse("10.0.0.1:80"), .id = "a"});
    snapshot.services.push_back(service);
    config::Listener listener;
    listener.name = "grpc";
    listener.address = *Endpoint::parse("198.18.0.10:50051");
    snapshot.listeners.push_back(listener);
    ledger.record(snapshot, {});
  }
  boost::json::value ask(std::string_view command) {
    return answer(command, {.current = snapshot,
                            .ledger = ledger,
                            .loads = loads,
                            .sources = sources,
                            .identity = Identity{},
                            .nic = probe,
                            .stalls = stalls,
                            .links = {}});
  }

  config::Snapshot snapshot;
  std::unique_ptr<stats::Worker> worker = std::make_unique<stats::Worker>();
  std::vector<stats::Worker*> workers{worker.get()};
  Ledger ledger{workers};
  std::vector<Load> loads{Load{}};
  std::vector<const discovery::Source*> sources;
  NicProbe probe;
  std::vector<Stall> stalls{Stall{}};
};

TEST_F(ReportTest, workers_shows_cycles_by_stage_and_loops_that_stand_still) {
  loads[0].busy = 0.4;
  loads[0].stages[static_cast<size_t>(Stage::kTcp)] = 0.3;
  loads[0].stages[static_cast<size_t>(Stage::kRelay)] = 0.1;
  loads[0].stages[static_cast<size_t>(Stage::kIdle)] = 0.6;
  std::string table = sluicectl::workers_table(ask("workers"));
  EXPECT_NE(table.find("running"), std::string::npos) << table;
  EXPECT_NE(table.find("30.0 %"), std::string::npos) << table;
  EXPECT_NE(table.find("60.0 %"), std::string::npos) << table;
  EXPECT_EQ(ask("workers").at("workers").at(0).at("stages").at("relay").as_double(), 0.1);
  stalls[0] = {.standing = true, .times = 1, .seconds = 3, .stage = "tx", .where = "sluiced+0x12"};
  table = sluicectl::workers_table(ask("workers"));
  EXPECT_NE(table.find("standing still"), std::string::npos) << table;
  EXPECT_NE(table.find("3 s in tx at sluiced+0x12"), std::string::npos) << table;
  worker->end();
  EXPECT_EQ(ask("workers").at("workers").at(0).at("state"), "ended");
}

stats::NicPort a_port() {
  return {.profile = "ice",
          .flows = "rss",
          .flows_reason = "Sluice's own key",
          .claims = {{"tso", "yes", "no", "no"}},
          .devices = {{.name = "0000:03:00.0",
                       .driver = "net_ice",
                       .pci = "8086:159b",
                       .mac = "02:00:00:00:00:01",
                       .link = {.up = true, .mbps = 25'000},
                       .members = {{"0000:04:00.0", {.up = true}}, {"0000:05:00.0", {}}},
                       .mtu = 1500,
                       .queues = 1,
                       .rx_descriptors = 1024,
                       .tx_descriptors = 512,
                       .rx_missed = 7,
                       .counters = {{"rx_undersize_errors", 3}}}}};
}

TEST_F(ReportTest, nic_shows_devices_claims_and_drops) {
  probe = [](size_t) { return a_port(); };
  worker->port(0).drop(stats::Drop::kIpChecksum, 9);
  const auto answer = ask("nic");
  const auto& port = answer.at("ports").at(0);
  EXPECT_EQ(port.at("name"), "north");
  EXPECT_EQ(port.at("profile_chosen"), "auto");
  EXPECT_EQ(port.at("claims").at(0).at("used"), "no");
  EXPECT_EQ(port.at("drops").at("ip_checksum").to_number<int>(), 9);
  const auto& device = port.at("devices").at(0);
  EXPECT_EQ(device.at("link").at("mbps").to_number<int>(), 25'000);
  EXPECT_EQ(device.at("counters").at("rx_undersize_errors").to_number<int>(), 3);
  EXPECT_EQ(sluicectl::nic_table(answer),
            R"(port north: profile ice (auto), flows rss: Sluice's own key
  device 0000:03:00.0: link up, 25 Gbit/s, 1 queue(s) of 1024 receive and 512 transmit descriptors
    member 0000:04:00.0: link up
    member 0000:05:00.0: link down
    driver net_ice, PCI id 8086:159b, MAC 02:00:00:00:00:01, MTU 1500
    rx missed 7, rx errors 0, rx no buffer 0, tx errors 0
    rx_undersize_errors                              3
  CLAIM  PROFILE  DEVICE  USED
  tso    yes      no      no
  dropped
    ip_checksum                        9   
)");
}

TEST_F(ReportTest, nic_without_hardware_has_the_drops_alone) {
  const std::string table = sluicectl::nic_table(ask("nic"));
  EXPECT_EQ(table.find("port north: profile - (auto), flows -\n"), 0u) << table;
}

TEST_F(ReportTest, listeners_tells_failures_by_reason) {
  stats::Listener& l = worker->listener(snapshot.listeners[0].slot);
  l.streams.add(80'000);
  l.failures[static_cast<size_t>(stats::Failure::kNoPod)].add(70'380);
  l.failures[static_cast<size_t>(stats::Failure::kTime)].add(3);
  const auto answer = ask("listeners");
  const auto& row = answer.at("listeners").at(0);
  EXPECT_EQ(row.at("failed").to_number<int>(), 70'383);
  EXPECT_EQ(row.at("failures").at("no_pod").to_number<int>(), 70'380);
  const std::string table = sluicectl::listeners_table(answer);
  EXPECT_NE(table.find("no_pod 70,380, time 3"), std::string::npos) << table;
}

TEST_F(ReportTest, pods_shows_the_numbers_of_all_workers_under_the_pods_names) {
  stats::Pod& p = worker->pod(snapshot.services[0].pods[0].slot);
  p.streams.add(1234);
  ++p.active;
  p.state.set(static_cast<uint64_t>(pods::Connectivity::kReady));
  for (int i = 0; i < 100; ++i) p.latency->record(Duration(1ms));
  const auto answer = ask("pods");
  const auto& row = answer.at("pods").at(0).as_object();
  EXPECT_EQ(row.at("id"), "a");
  EXPECT_EQ(row.at("service"), "echo");
  EXPECT_EQ(row.at("address"), "10.0.0.1:80");
  EXPECT_EQ(row.at("state"), "READY");
  EXPECT_EQ(row.at("streams").to_number<int>(), 1234);
  EXPECT_EQ(row.at("active").to_number<int>(), 1);
  EXPECT_NEAR(row.at("p50_us").to_number<double>(), 1000, 70);
  const std::string table = sluicectl::pods_table(answer);
  EXPECT_NE(table.find("READY"), std::string::npos) << table;
  EXPECT_NE(table.find("1,234"), std::string::npos) << table;
}

TEST_F(ReportTest, the_state_of_a_pod_is_that_of_the_workers_that_use_it) {
  using pods::Connectivity;
  const auto other = std::make_unique<stats::Worker>();
  const std::vector<stats::Worker*> both{worker.get(), other.get()};
  const Ledger two{both};
  EXPECT_STREQ(pods::text_of(state_of(two, 0)), "IDLE") << "no worker has used it";
  worker->pod(0).state.set(static_cast<uint64_t>(Connectivity::kTransientFailure));
  EXPECT_EQ(state_of(two, 0), Connectivity::kTransientFailure)
      << "the other worker has other pods in its subset";
  other->pod(0).state.set(static_cast<uint64_t>(Connectivity::kShutdown));
  EXPECT_EQ(state_of(two, 0), Connectivity::kTransientFailure);
  other->pod(0).state.set(static_cast<uint64_t>(Connectivity::kIdle));
  EXPECT_EQ(state_of(two, 0), Connectivity::kIdle);
}

TEST_F(ReportTest, a_pod_without_an_id_has_a_dash_in_its_column) {
  snapshot.services[0].pods.edit()[0].id.clear();
  const std::string table = sluicectl::pods_table(ask("pods"));
  EXPECT_NE(table.find("echo     -    10.0.0.1:80"), std::string::npos) << table;
}

TEST_F(ReportTest, listeners_and_stats_answer_with_what_workers_count) {
  worker->listener(snapshot.listeners[0].slot).connections.add(3);
  worker->port(0).drop(stats::Drop::kIpChecksum, 9);
  worker->tcp.accepted.add(3);
  worker->http2.hpack_blocks_in.add(10);
  worker->http2.hpack_fields_in.add(80);
  worker->http2.hpack_indexed_in.add(70);
  worker->http2.hpack_timed_in.add(2);
  worker->http2.hpack_cycles_in.add(500);
  const auto listeners = ask("listeners");
  EXPECT_EQ(listeners.at("listeners").at(0).at("connections").to_number<int>(), 3);
  EXPECT_EQ(listeners.at("listeners").at(0).at("service"), "echo");
  const auto all = ask("stats");
  EXPECT_EQ(all.at("generation").to_number<int>(), 1);
  const auto& w = all.at("workers").at(0);
  EXPECT_EQ(w.at("tcp").at("accepted").to_number<int>(), 3);
  EXPECT_EQ(w.at("ports").at(0).at("name"), "north");
  EXPECT_EQ(w.at("ports").at(0).at("drops").at("ip_checksum").to_number<int>(), 9);
  EXPECT_NE(sluicectl::stats_table(all).find("ip_checksum"), std::string::npos);
  EXPECT_NE(sluicectl::stats_table(all).find(
                "HPACK in: 10 blocks, 87.5 % of 80 fields indexed, 250 cycles a block\n"),
            std::string::npos)
      << sluicectl::stats_table(all);
  EXPECT_NE(sluicectl::listeners_table(listeners).find("198.18.0.10:50051"), std::string::npos);
}

TEST_F(ReportTest, sources_shows_where_endpoints_come_from_their_age_and_the_last_error) {
  class Api : public discovery::Source {
   public:
    Api() : Source({{.address = *Endpoint::parse("10.0.0.1:80")}, {}}) {
      take({.endpoints = {}, .errors = {"401 Unauthorized"}, .warnings = {}});
    }
    void start(Deliver) override {}
    std::string name() const override { return "an API"; }
  } api;
  sources = {&api};
  const auto answer = ask("sources");
  const auto& row = answer.at("sources").at(0);
  EXPECT_EQ(row.at("service"), "echo");
  EXPECT_EQ(row.at("source"), "an API");
  EXPECT_EQ(row.at("endpoints").to_number<int>(), 2) << "those of the last whole set";
  EXPECT_EQ(row.at("pods").to_number<int>(), 1);
  EXPECT_GE(row.at("age_s").to_number<double>(), 0);
  EXPECT_EQ(row.at("last_error"), "401 Unauthorized");
  const std::string table = sluicectl::sources_table(answer);
  EXPECT_NE(table.find("401 Unauthorized"), std::string::npos) << table;
}

TEST_F(ReportTest, an_unknown_command_is_answered_with_an_error) {
  EXPECT_NE(serialize(ask("nonsense")).find("unknown command nonsense"), std::string::npos);
}

}  // namespace
}  // namespace sluice::admin
