#include "control/controller.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <sstream>

#include <boost/json/parse.hpp>

#include <future>
#include "files.h"
#include "sluicectl/client.h"
#include "sluicectl/tables.h"
#include "sluicectl/text.h"

namespace sluice::control {
namespace {

namespace fs = std::filesystem;
using test::Files;

class ControllerTest : public testing::Test {
 protected:
  void SetUp() override {
    Loaded first = load(files.path("sluiced.toml"));
    ASSERT_TRUE(first.snapshot) << first.mistakes.at(0).str();
    controller.emplace(io, files.path("sluiced.toml"), std::move(first), published,
                       std::vector<stats::Worker*>{worker.get()},
                       Controller::Events{[this] { ++drains; }, [this] { ++stops; }});
    worker->adopt(1);
    controller->start();
  }
  void run(std::chrono::milliseconds time) {
    io.restart();
    io.run_for(time);
  }
  // Runs until the condition holds, for `most` turns of a millisecond at the most; how many it
  // took. A moment in which the machine stands still is one turn, however long it is.
  template <class Condition>
  int turns_until(Condition condition, int most) {
    int turns = 0;
    for (; !condition() && turns < most; ++turns) run(1ms);
    return turns;
  }
  // Runs until the workers would see generation g; how many turns that took.
  int wait_for(uint64_t g) {
    const int turns = turns_until([&] { return published.get()->generation >= g; }, 2000);
    EXPECT_EQ(published.get()->generation, g);
    return turns;
  }
  size_t pods() const { return published.get()->services.at(0).pods.size(); }
  // sluicectl asks on a thread of its own while the controller runs here.
  std::string ask(const std::string& command) {
    auto answer = std::async(std::launch::async, [&] {
      return sluicectl::ask(files.path("admin.sock").string(), command);
    });
    while (answer.wait_for(0s) != std::future_status::ready) run(1ms);
    return answer.get();
  }
  int connect_raw() {
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::strcpy(a.sun_path, files.path("admin.sock").c_str());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    return fd;
  }

  static constexpr const char* kTwo =
      "endpoints = [{ address = \"10.0.0.1:80\", id = \"a\" }, { address = \"10.0.0.2:80\" }]\n";
  Files files;
  boost::asio::io_context io;
  config::Published published;
  std::unique_ptr<stats::Worker> worker = std::make_unique<stats::Worker>();
  std::optional<Controller> controller;
  int drains = 0;
  int stops = 0;
};

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

// What the log says while this lives.
class Log {
 public:
  Log() {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_st>(text_)));
  }
  ~Log() { spdlog::set_default_logger(before_); }
  bool has(const std::string& part) const { return text_.str().find(part) != std::string::npos; }
  std::string str() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

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

TEST_F(ControllerTest, a_pod_without_an_id_has_a_dash_in_its_column) {
  files.replace("endpoints.toml", "endpoints = [{ address = \"10.0.0.1:80\" }]\n");
  wait_for(2);
  const std::string table = sluicectl::pods_table(boost::json::parse(ask("pods")));
  EXPECT_NE(table.find("echo     -    10.0.0.1:80"), std::string::npos) << table;
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

TEST(Publisher, keeps_a_snapshot_until_every_worker_has_passed_it) {
  stats::Worker first, second;
  std::vector<stats::Worker*> workers{&first, &second};
  config::Published published;
  Publisher p(published, workers);
  for (uint64_t g = 1; g <= 3; ++g) {
    auto s = std::make_unique<config::Snapshot>();
    s->generation = g;
    p.publish(std::move(s));
  }
  first.adopt(3);
  p.reclaim();
  EXPECT_EQ(p.kept(), 3u);
  second.adopt(2);
  p.reclaim();
  EXPECT_EQ(p.kept(), 2u);
  second.adopt(3);
  p.reclaim();
  EXPECT_EQ(p.kept(), 1u);
  EXPECT_EQ(published.get()->generation, 3u);
}

TEST_F(ControllerTest, the_socket_is_for_owner_and_group) {
  const auto s = fs::status(files.path("admin.sock"));
  EXPECT_EQ(s.permissions(), fs::perms(0660));
}

TEST_F(ControllerTest, a_flood_of_one_guard_does_not_hide_another_ones_line) {
  std::ostringstream log;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_st>(log)));
  for (int i = 0; i < 50; ++i)
    worker->events.push({"ping", "too many PING", *Endpoint::parse("10.0.0.1:1")});
  worker->events.push(
      {"stream_ids", "skipped most of its stream ids", *Endpoint::parse("10.0.0.2:1")});
  // Eight are written at once, how many more there were when the next look finds none.
  turns_until([&] { return log.str().find("more time(s)") != std::string::npos; }, 5000);
  spdlog::set_default_logger(before);
  const std::string text = log.str();
  EXPECT_NE(text.find("client 10.0.0.2:1: guard stream_ids: skipped most"), std::string::npos);
  size_t pings = 0;
  for (size_t at = 0; (at = text.find("guard ping", at)) != std::string::npos; ++at) ++pings;
  EXPECT_EQ(pings, 8u);
  EXPECT_NE(text.find("42 more time(s)"), std::string::npos) << text;
}

TEST_F(ControllerTest, changes_of_pods_services_and_neighbours_are_lines_of_the_log) {
  using What = stats::Change::What;
  const Log log;
  const uint32_t pod = published.get()->services[0].pods[0].slot;
  const auto note = [&](What what, const char* reason = "", bool routine = false) {
    stats::Change c;
    c.what = what;
    c.slot = what == What::kServiceDown ? published.get()->services[0].slot : pod;
    c.reason = reason;
    c.routine = routine;
    if (what == What::kNeighbourLost) {
      c.slot = 0;
      c.neighbour = *Address::parse("10.0.0.1");
    }
    worker->changes.push(c);
  };
  note(What::kPodReady);
  note(What::kPodLost, "GOAWAY", true);  // every day: not at this level
  note(What::kPodLost, "the pod reset the connection");
  note(What::kPodUnreachable, "connection refused");
  note(What::kNeighbourLost);
  note(What::kServiceDown, "no endpoint is reachable");
  turns_until([&] { return log.str().find("its calls fail") != std::string::npos; }, 5000);
  const std::string text = log.str();
  for (const char* line :
       {"service echo: pod a (10.0.0.1:80) is READY",
        "service echo: pod a (10.0.0.1:80): the last connection is lost: the pod reset the "
        "connection; connecting again",
        "service echo: pod a (10.0.0.1:80) is not reachable: connection refused; trying on",
        "port north: nobody answers ARP for 10.0.0.1",
        "service echo: no pod reachable (no endpoint is reachable); its calls fail"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  EXPECT_EQ(text.find("GOAWAY"), std::string::npos) << text;
}

TEST_F(ControllerTest, many_changes_are_a_few_lines_and_a_number_and_do_not_hide_a_service) {
  using What = stats::Change::What;
  const Log log;
  for (int i = 0; i < 100; ++i) {
    stats::Change c;
    c.what = What::kPodReady;
    worker->changes.push(c);
  }
  stats::Change down;
  down.what = What::kServiceDown;
  worker->changes.push(down);
  turns_until([&] { return log.str().find("more change(s)") != std::string::npos; }, 5000);
  const std::string text = log.str();
  EXPECT_NE(text.find("no pod reachable"), std::string::npos);
  EXPECT_NE(text.find("84 more change(s)"), std::string::npos) << text;
}

TEST_F(ControllerTest, checksums_that_are_all_wrong_get_one_hint) {
  const Log log;
  stats::Port& port = worker->port(0);
  port.drop(stats::Drop::kTcpChecksum, 7);
  turns_until([&] { return log.str().find("ethtool") != std::string::npos; }, 5000);
  EXPECT_NE(log.str().find("port north: 7 TCP segments had a wrong checksum and none a right one"),
            std::string::npos)
      << log.str();
}

TEST(ChecksumHint, is_silent_about_single_damage_and_about_what_was_said) {
  ChecksumHint hint;
  EXPECT_FALSE(hint.look(0, 2, 0)) << "one or two may be damage";
  EXPECT_FALSE(hint.look(1, 100, 50)) << "others get through";
  EXPECT_FALSE(hint.look(1, 200, 51));
  EXPECT_EQ(hint.look(0, 5, 0), 5u) << "slow retransmissions add up";
  EXPECT_FALSE(hint.look(0, 50, 0));
  EXPECT_EQ(hint.look(1, 203, 51), 3u);
}

TEST_F(ControllerTest, listeners_tells_failures_by_reason) {
  stats::Listener& l = worker->listener(published.get()->listeners[0].slot);
  l.streams.add(80'000);
  l.failures[static_cast<size_t>(stats::Failure::kNoPod)].add(70'380);
  l.failures[static_cast<size_t>(stats::Failure::kTime)].add(3);
  const auto answer = boost::json::parse(ask("listeners"));
  const auto& row = answer.at("listeners").at(0);
  EXPECT_EQ(row.at("failed").to_number<int>(), 70'383);
  EXPECT_EQ(row.at("failures").at("no_pod").to_number<int>(), 70'380);
  const std::string table = sluicectl::listeners_table(answer);
  EXPECT_NE(table.find("no_pod 70,380, time 3"), std::string::npos) << table;
}

TEST_F(ControllerTest, pods_shows_the_numbers_of_all_workers_under_the_pods_names) {
  stats::Pod& p = worker->pod(published.get()->services[0].pods[0].slot);
  p.streams.add(1234);
  ++p.active;
  p.state.set(2);
  for (int i = 0; i < 100; ++i) p.latency.record(Duration(1ms));
  const auto answer = boost::json::parse(ask("pods"));
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

TEST_F(ControllerTest, a_removed_pod_is_shown_while_it_has_streams) {
  stats::Pod& p = worker->pod(published.get()->services[0].pods[0].slot);
  ++p.active;
  files.replace("endpoints.toml", "endpoints = []\n");
  wait_for(2);
  EXPECT_TRUE(boost::json::parse(ask("pods")).at("pods").at(0).at("draining").as_bool());
  --p.active;
  EXPECT_TRUE(boost::json::parse(ask("pods")).at("pods").as_array().empty());
}

TEST_F(ControllerTest, listeners_and_stats_answer_with_what_workers_count) {
  worker->listener(published.get()->listeners[0].slot).connections.add(3);
  worker->port(0).drop(stats::Drop::kIpChecksum, 9);
  worker->tcp.accepted.add(3);
  worker->http2.hpack_blocks_in.add(10);
  worker->http2.hpack_fields_in.add(80);
  worker->http2.hpack_indexed_in.add(70);
  worker->http2.hpack_timed_in.add(2);
  worker->http2.hpack_cycles_in.add(500);
  const auto listeners = boost::json::parse(ask("listeners"));
  EXPECT_EQ(listeners.at("listeners").at(0).at("connections").to_number<int>(), 3);
  EXPECT_EQ(listeners.at("listeners").at(0).at("service"), "echo");
  const auto all = boost::json::parse(ask("stats"));
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

TEST_F(ControllerTest, busy_is_the_share_of_the_last_second) {
  worker->cycles.add(1000);
  worker->cycles_busy.add(250);
  worker->cycles_io.add(100);
  run(1100ms);
  const auto all = boost::json::parse(ask("stats"));
  EXPECT_DOUBLE_EQ(all.at("workers").at(0).at("busy").to_number<double>(), 0.25);
  EXPECT_DOUBLE_EQ(all.at("workers").at(0).at("io").to_number<double>(), 0.1);
}

TEST_F(ControllerTest, an_unknown_command_is_answered_with_an_error) {
  EXPECT_NE(ask("nonsense").find("unknown command nonsense"), std::string::npos);
}

TEST_F(ControllerTest, a_request_without_end_is_cut_off_and_others_are_served) {
  const int fd = connect_raw();
  const std::string junk(100'000, 'x');
  ::send(fd, junk.data(), junk.size(), MSG_NOSIGNAL);
  run(20ms);
  char answer[256];
  EXPECT_GT(::recv(fd, answer, sizeof answer, 0), 0);
  run(5ms);
  EXPECT_NE(ask("pods").find("\"pods\""), std::string::npos);
  ::close(fd);
}

TEST_F(ControllerTest, silent_clients_neither_pile_up_nor_keep_others_out_for_good) {
  std::vector<int> fds;
  for (size_t i = 0; i < Admin::kMaxSessions; ++i) fds.push_back(connect_raw());
  run(20ms);
  const int over = connect_raw();
  run(20ms);
  char byte;
  EXPECT_EQ(::recv(over, &byte, 1, 0), 0) << "one more is closed at once";
  const int patience = std::chrono::milliseconds(Admin::kPatience).count();
  turns_until([&] { return ::recv(fds[0], &byte, 1, 0) == 0; }, patience + 200);
  EXPECT_EQ(::recv(fds[0], &byte, 1, 0), 0) << "a silent one is closed after a while";
  EXPECT_NE(ask("pods").find("\"pods\""), std::string::npos);
  for (const int fd : fds) ::close(fd);
  ::close(over);
}

TEST_F(ControllerTest, a_living_daemons_socket_is_not_taken_over) {
  boost::asio::io_context other;
  EXPECT_THROW(Admin(other, files.path("admin.sock"),
                     [](std::string_view) { return boost::json::object(); }),
               std::runtime_error);
  EXPECT_TRUE(fs::exists(files.path("admin.sock")));
}

TEST_F(ControllerTest, what_is_in_the_way_of_the_socket_is_known_before_anything_is_opened) {
  EXPECT_NE(Admin::obstacle(files.path("admin.sock")).find("another sluiced answers"),
            std::string::npos);
  EXPECT_EQ(Admin::obstacle(files.path("other.sock")), "");
  EXPECT_NE(Admin::obstacle("/proc/none/sluiced.sock").find("cannot be made"), std::string::npos);
}

TEST(Admin, replaces_the_socket_of_a_dead_daemon) {
  Files files;
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::strcpy(a.sun_path, files.path("admin.sock").c_str());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  ::close(fd);
  boost::asio::io_context io;
  Admin admin(io, files.path("admin.sock"), [](std::string_view) { return boost::json::object(); });
}

TEST(Sluicectl, says_what_is_wrong_when_nobody_answers) {
  try {
    sluicectl::ask("/nonexistent/sluiced.sock", "pods");
    FAIL();
  } catch (const sluicectl::Error& e) {
    EXPECT_NE(std::string(e.what()).find("is sluiced running"), std::string::npos);
  }
}

TEST(Text, lines_are_cut_to_the_terminal) {
  EXPECT_EQ(sluicectl::cut("abcdef\nab\n", 4), "abc>\nab\n");
  EXPECT_EQ(sluicectl::cut("abcdef\n", 0), "abcdef\n");
  EXPECT_EQ(sluicectl::cut("abcd", 4), "abcd");
}

TEST(Text, numbers_are_written_for_people) {
  EXPECT_EQ(sluicectl::count(0), "0");
  EXPECT_EQ(sluicectl::count(999), "999");
  EXPECT_EQ(sluicectl::count(1234567), "1,234,567");
  EXPECT_EQ(sluicectl::bytes(1536), "1.5 KiB");
  EXPECT_EQ(sluicectl::micros(0), "-");
  EXPECT_EQ(sluicectl::micros(850), "850 us");
  EXPECT_EQ(sluicectl::micros(12'300), "12.3 ms");
  EXPECT_EQ(sluicectl::share(0.123), "12.3 %");
  EXPECT_EQ(sluicectl::seconds(11'220), "3 h 07 min");
}

}  // namespace
}  // namespace sluice::control
