#include "controller_fixture.h"

#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <boost/json/parse.hpp>

#include "sluicectl/tables.h"

namespace sluice::control {
namespace {

namespace fs = std::filesystem;

TEST_F(ControllerTest, the_first_snapshot_is_there_before_start) {
  EXPECT_EQ(published.get()->generation, 1u);
  EXPECT_EQ(pods(), 1u);
}

TEST_F(ControllerTest, endpoints_written_in_place_are_used_within_100_ms) {
  files.write("endpoints.toml", kTwo);
  EXPECT_LT(wait_for(2), 100);
  EXPECT_EQ(pods(), 2u);
}

TEST_F(ControllerTest, endpoints_replaced_by_rename_are_used_within_100_ms) {
  for (uint64_t g = 2; g < 6; ++g) {
    files.replace("endpoints.toml", g % 2 == 0 ? kTwo : "endpoints = []\n");
    EXPECT_LT(wait_for(g), 100);
    EXPECT_EQ(pods(), g % 2 == 0 ? 2u : 0u);
  }
}

// As a ConfigMap is mounted: endpoints.toml -> ..data/endpoints.toml, ..data -> ..1.
TEST_F(ControllerTest, a_swapped_directory_link_is_followed_again_and_again) {
  for (const char* d : {"..1", "..2"}) fs::create_directory(files.path(d));
  files.write("..1/endpoints.toml", "endpoints = []\n");
  fs::create_symlink("..1", files.path("..data"));
  fs::create_symlink("..data/endpoints.toml", files.path("link"));
  fs::rename(files.path("link"), files.path("endpoints.toml"));
  EXPECT_LT(wait_for(2), 100);
  EXPECT_EQ(pods(), 0u);

  files.write("..2/endpoints.toml", kTwo);
  fs::create_symlink("..2", files.path("..data_tmp"));
  fs::rename(files.path("..data_tmp"), files.path("..data"));
  EXPECT_LT(wait_for(3), 100);
  EXPECT_EQ(pods(), 2u);

  fs::remove_all(files.path("..1"));
  fs::create_directory(files.path("..1"));
  files.write("..1/endpoints.toml", "endpoints = []\n");
  fs::create_symlink("..1", files.path("..data_tmp"));
  fs::rename(files.path("..data_tmp"), files.path("..data"));
  EXPECT_LT(wait_for(4), 100);
  EXPECT_EQ(pods(), 0u);
}

TEST_F(ControllerTest, a_changed_configuration_is_used_and_its_new_files_are_watched) {
  files.write("more.toml", "endpoints = []\n");
  files.replace(
      "sluiced.toml",
      files.config("[[service]]\nname = \"more\"\nendpoints = { file = \"more.toml\" }\n"));
  wait_for(2);
  EXPECT_EQ(published.get()->services.size(), 2u);
  files.write("more.toml", kTwo);
  EXPECT_LT(wait_for(3), 100);
  EXPECT_EQ(published.get()->services.at(1).pods.size(), 2u);
}

TEST_F(ControllerTest, a_bad_configuration_is_refused_and_the_next_good_one_taken) {
  files.replace("endpoints.toml", "");
  run(80ms);
  EXPECT_EQ(published.get()->generation, 1u);
  EXPECT_EQ(pods(), 1u);
  files.replace("endpoints.toml", kTwo);
  wait_for(2);
}

TEST_F(ControllerTest, changed_endpoints_are_used_while_the_configuration_on_disk_is_refused) {
  const Log log;
  files.replace("sluiced.toml", "no configuration\n");
  turns_until([&] { return log.has("refused"); }, 5000);
  files.replace("endpoints.toml", kTwo);
  wait_for(2);
  EXPECT_EQ(pods(), 2u);
  EXPECT_TRUE(log.has("reload (endpoints of echo): generation 2")) << log.str();
  EXPECT_TRUE(boost::json::parse(ask("status")).at("last_reload_refused").as_bool());
  files.replace("sluiced.toml", files.config());
  turns_until([&] { return log.has("accepted again"); }, 5000);
  EXPECT_FALSE(boost::json::parse(ask("status")).at("last_reload_refused").as_bool());
}

TEST_F(ControllerTest, changed_endpoints_read_neither_the_configuration_nor_a_profile_again) {
  // Nothing tells of files that change without an event: only who reads them would notice.
  for (const char* file : {"sluiced.toml", "nic.toml", "dpdk.toml"}) fs::remove(files.path(file));
  const Log log;
  files.replace("endpoints.toml", kTwo);
  wait_for(2);
  EXPECT_EQ(pods(), 2u);
  EXPECT_FALSE(log.has("refused")) << log.str();
}

TEST_F(ControllerTest, endpoints_of_several_services_that_change_at_once_become_one_generation) {
  files.write("more.toml", "endpoints = []\n");
  files.replace(
      "sluiced.toml",
      files.config("[[service]]\nname = \"more\"\nendpoints = { file = \"more.toml\" }\n"));
  wait_for(2);
  const Log log;
  files.replace("endpoints.toml", kTwo);
  files.replace("more.toml", kTwo);
  wait_for(3);
  run(50ms);
  EXPECT_EQ(published.get()->generation, 3u);
  for (const config::Service& s : published.get()->services) EXPECT_EQ(s.pods.size(), 2u) << s.name;
  EXPECT_TRUE(log.has("reload (endpoints of echo, more): generation 3")) << log.str();
}

TEST_F(ControllerTest, a_mistake_in_endpoints_of_one_service_delays_no_other_ones) {
  files.write("more.toml", "endpoints = []\n");
  files.replace(
      "sluiced.toml",
      files.config("[[service]]\nname = \"more\"\nendpoints = { file = \"more.toml\" }\n"));
  wait_for(2);
  const Log log;
  files.replace("more.toml", "endpoints = 5\n");
  files.replace("endpoints.toml", kTwo);
  wait_for(3);
  EXPECT_EQ(pods(), 2u);
  EXPECT_TRUE(log.has("reload (endpoints of more) refused")) << log.str();
  EXPECT_TRUE(boost::json::parse(ask("status")).at("last_reload_refused").as_bool());
}

TEST_F(ControllerTest, a_mistake_in_endpoints_that_a_new_configuration_names_can_be_corrected) {
  const Log log;
  files.write("more.toml", "endpoints = 5\n");
  files.replace(
      "sluiced.toml",
      files.config("[[service]]\nname = \"more\"\nendpoints = { file = \"more.toml\" }\n"));
  turns_until([&] { return log.has("refused"); }, 5000);
  files.write("more.toml", kTwo);
  wait_for(2);
  EXPECT_EQ(published.get()->services.at(1).pods.size(), 2u);
}

TEST_F(ControllerTest, a_change_of_endpoints_names_the_pods_that_came_and_left) {
  files.write("more.toml", kTwo);
  files.replace(
      "sluiced.toml",
      files.config("[[service]]\nname = \"more\"\nendpoints = { file = \"more.toml\" }\n"));
  wait_for(2);
  EXPECT_FALSE(published.get()->difference) << "anything may differ";
  const config::Snapshot* before = published.get();
  files.replace("more.toml",
                "endpoints = [{ address = \"10.0.0.2:80\" }, { address = \"10.0.0.3:80\" }]\n");
  wait_for(3);
  const config::Snapshot& now = *published.get();
  EXPECT_EQ(now.difference, (config::Difference{before, {{1, {{0, 1, 0}, {1, 0, 1}}}}}));
  EXPECT_TRUE(now.services[0].pods.shares_with(before->services[0].pods));
  EXPECT_EQ(now.services[1].pods[0].slot, before->services[1].pods[1].slot);
  EXPECT_NE(now.services[1].pods[1].slot, before->services[1].pods[0].slot);
}

TEST_F(ControllerTest, a_change_of_weights_or_of_the_order_is_no_difference_of_pods) {
  files.replace("endpoints.toml", kTwo);
  wait_for(2);
  files.replace("endpoints.toml",
                "endpoints = [{ address = \"10.0.0.1:80\", id = \"a\", weight = 2 }, "
                "{ address = \"10.0.0.2:80\" }]\n");
  wait_for(3);
  EXPECT_FALSE(published.get()->difference);
  EXPECT_EQ(published.get()->services[0].pods[0].weight, 2u);
}

TEST_F(ControllerTest, an_endpoint_that_no_port_reaches_gets_no_calls_and_is_shown) {
  const Log log;
  files.replace("endpoints.toml",
                "endpoints = [{ address = \"10.0.0.1:80\", id = \"a\" }, "
                "{ address = \"203.0.113.5:80\", id = \"far\" }]\n");
  wait_for(2);
  EXPECT_EQ(pods(), 1u);
  EXPECT_TRUE(
      log.has("service echo: 1 endpoint(s) get no calls, as 203.0.113.5:80: no port's "
              "network and no route contains the address"))
      << log.str();
  const auto rows = boost::json::parse(ask("pods")).at("pods").as_array();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].at("id").as_string(), "far");
  EXPECT_EQ(rows[1].at("state").as_string(), "UNREACHABLE");
  EXPECT_NE(rows[1].at("reason").as_string(), "");
}

TEST_F(ControllerTest, a_pod_shows_the_time_until_every_worker_could_pick_it) {
  files.replace("endpoints.toml", kTwo);
  wait_for(2);
  const auto lag = [&] { return boost::json::parse(ask("pods")).at("pods").at(1).at("lag_ms"); };
  EXPECT_TRUE(lag().is_null()) << "the worker has not adopted it";
  worker->adopt(2);
  run(20ms);
  EXPECT_GT(lag().to_number<double>(), 0);
}

TEST_F(ControllerTest, more_endpoints_than_there_is_room_for_are_refused) {
  const Log log;
  std::string many = "endpoints = [\n";
  for (size_t i = 0; i <= stats::kMaxPods; ++i)
    many += "{ address = \"10.0.0.1:80\", id = \"" + std::to_string(i) + "\" },\n";
  files.replace("endpoints.toml", many + "]\n");
  turns_until([&] { return log.has("refused"); }, 5000);
  EXPECT_TRUE(log.has("refused: 65537 pods in all; at most 65536 are allowed")) << log.str();
  EXPECT_EQ(pods(), 1u);
  files.replace("endpoints.toml", kTwo);
  wait_for(2);
}

TEST_F(ControllerTest, sources_shows_the_file_and_the_last_error_until_it_is_corrected) {
  const auto row = [&] { return boost::json::parse(ask("sources")).at("sources").at(0); };
  EXPECT_EQ(row().at("source").as_string(), "file " + files.path("endpoints.toml").string());
  EXPECT_EQ(row().at("last_error"), "");
  const Log log;
  files.replace("endpoints.toml", "endpoints = 5\n");
  turns_until([&] { return log.has("refused"); }, 5000);
  EXPECT_NE(row().at("last_error").as_string().find("endpoints is an integer"), std::string::npos);
  EXPECT_EQ(row().at("endpoints").to_number<int>(), 1);
  files.replace("endpoints.toml", kTwo);
  wait_for(2);
  EXPECT_EQ(row().at("last_error"), "");
  EXPECT_EQ(row().at("endpoints").to_number<int>(), 2);
}

TEST_F(ControllerTest, a_change_of_ports_needs_a_restart) {
  std::string text = files.config();
  text.replace(text.find("198.18.0.2/24"), 13, "198.18.0.3/24");
  files.write("sluiced.toml", text);
  EXPECT_FALSE(controller->reload("test"));
  EXPECT_EQ(published.get()->generation, 1u);
  config::Startup changed = published.get()->startup;
  changed.ports.clear();
  changed.workers = 2;
  EXPECT_EQ(startup_difference(published.get()->startup, changed),
            "workers, ports (devices, profiles, addresses or routes)");
}

TEST_F(ControllerTest, the_key_log_and_the_helper_threads_need_a_restart) {
  config::Startup changed = published.get()->startup;
  changed.tls_key_log = "/run/secrets.keys";
  EXPECT_EQ(startup_difference(published.get()->startup, changed), "[tls] key_log");
  changed.handshake_threads = 7;
  EXPECT_EQ(startup_difference(published.get()->startup, changed),
            "handshake_threads, [tls] key_log");
}

TEST_F(ControllerTest, a_reload_that_changes_nothing_publishes_nothing) {
  files.replace("endpoints.toml",
                "endpoints = [{ address = \"10.0.0.1:80\", id = \"a\" }]\n# same\n");
  run(80ms);
  EXPECT_EQ(published.get()->generation, 1u);
}

TEST_F(ControllerTest, other_files_in_the_directory_do_not_matter) {
  const auto before = published.get();
  for (int i = 0; i < 10; ++i) files.write("log.txt", "x");
  run(60ms);
  EXPECT_EQ(published.get(), before);
}

TEST_F(ControllerTest, SIGHUP_reloads) {
  files.write("nic.toml", "name = \"nic\"\n# same\n");
  ::raise(SIGHUP);
  run(50ms);
  EXPECT_EQ(published.get()->generation, 1u);
  files.write("endpoints.toml", kTwo);
  ::raise(SIGHUP);
  wait_for(2);
}

TEST_F(ControllerTest, SIGHUP_without_a_change_is_answered_in_the_log) {
  const Log log;
  ::raise(SIGHUP);
  turns_until([&] { return log.has("nothing has changed; generation 1 stays"); }, 5000);
  EXPECT_TRUE(log.has("reload (SIGHUP): nothing has changed; generation 1 stays")) << log.str();
}

TEST_F(ControllerTest, a_good_file_after_a_refused_one_is_accepted_again_in_the_log) {
  const Log log;
  files.replace("endpoints.toml", "endpoints = 5\n");
  turns_until([&] { return log.has("refused"); }, 5000);
  EXPECT_TRUE(log.has("generation 1 stays")) << log.str();
  EXPECT_TRUE(boost::json::parse(ask("status")).at("last_reload_refused").as_bool());
  files.replace("endpoints.toml", "endpoints = [{ address = \"10.0.0.1:80\", id = \"a\" }]\n");
  turns_until([&] { return log.has("accepted again"); }, 5000);
  EXPECT_TRUE(log.has("accepted again; nothing differs from generation 1")) << log.str();
  EXPECT_FALSE(boost::json::parse(ask("status")).at("last_reload_refused").as_bool());
}

TEST_F(ControllerTest, status_says_the_version_and_whether_it_drains) {
  auto status = boost::json::parse(ask("status"));
  EXPECT_EQ(status.at("state"), "serving");
  EXPECT_EQ(status.at("generation").to_number<int>(), 1);
  EXPECT_EQ(status.at("pid").to_number<int>(), ::getpid());
  EXPECT_FALSE(status.at("version").as_string().empty());
  ::raise(SIGQUIT);
  turns_until([&] { return drains == 1; }, 5000);
  status = boost::json::parse(ask("status"));
  EXPECT_EQ(status.at("state"), "draining");
  EXPECT_NE(sluicectl::status_table(status).find("draining"), std::string::npos);
}

TEST_F(ControllerTest, the_first_SIGTERM_drains_and_the_second_stops) {
  ::raise(SIGTERM);
  run(20ms);
  EXPECT_EQ(drains, 1);
  EXPECT_EQ(stops, 0);
  ::raise(SIGTERM);
  run(20ms);
  EXPECT_EQ(drains, 1);
  EXPECT_EQ(stops, 1);
}

TEST_F(ControllerTest, a_removed_pod_is_shown_while_it_has_streams) {
  stats::Pod& p = worker->pod(published.get()->services[0].pods[0].slot);
  ++p.active;
  files.replace("endpoints.toml", "endpoints = []\n");
  wait_for(2);
  EXPECT_TRUE(boost::json::parse(ask("pods")).at("pods").at(0).at("draining").as_bool());
  --p.active;
  EXPECT_TRUE(boost::json::parse(ask("pods")).at("pods").as_array().empty());
}

TEST_F(ControllerTest, busy_is_the_share_of_the_last_second) {
  worker->cycles.add(1000);
  worker->cycles_busy.add(250);
  worker->cycles_io.add(100);
  run(1100ms);
  const auto all = boost::json::parse(ask("stats"));
  EXPECT_DOUBLE_EQ(all.at("workers").at(0).at("busy").to_number<double>(), 0.25);
  EXPECT_DOUBLE_EQ(all.at("workers").at(0).at("io").to_number<double>(), 0.1);
}

}  // namespace
}  // namespace sluice::control
