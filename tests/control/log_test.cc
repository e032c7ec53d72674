// The lines of the log about what workers note.

#include <array>

#include "control/checksum_hint.h"
#include "control/event_log.h"
#include "controller_fixture.h"

namespace sluice::control {
namespace {

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

TEST_F(ControllerTest, routine_notes_take_no_room_from_others_and_are_not_counted) {
  const Log log;
  stats::Event routine{nullptr, "GOAWAY ", *Endpoint::parse("10.0.0.3:1"), true,
                       stats::Event::Kind::kRoutine};
  for (int i = 0; i < 200; ++i) worker->events.push(routine);
  for (int i = 0; i < 9; ++i)
    worker->events.push({"ping", "too many PING", *Endpoint::parse("10.0.0.1:1")});
  turns_until([&] { return log.has("more time(s)"); }, 5000);
  EXPECT_TRUE(log.has("client 10.0.0.1:1: guard ping: too many PING")) << log.str();
  EXPECT_TRUE(log.has(" 1 more time(s)")) << log.str();
  EXPECT_FALSE(log.has("GOAWAY")) << log.str();
}

TEST_F(ControllerTest, routine_notes_hide_no_other_note_where_they_are_written) {
  const Log log;
  spdlog::default_logger()->set_level(spdlog::level::debug);
  const auto second = std::make_unique<stats::Worker>();
  const std::array<stats::Worker*, 2> both{worker.get(), second.get()};
  const Endpoint pod = *Endpoint::parse("10.0.0.3:1");
  for (int i = 0; i < 20; ++i)
    worker->events.push({nullptr, "GOAWAY no_error", pod, true, stats::Event::Kind::kRoutine});
  second->events.push({nullptr, "GOAWAY internal_error", pod, true, stats::Event::Kind::kGoesOn});
  EventLog events;
  events.look(both);
  EXPECT_TRUE(log.has("GOAWAY no_error")) << log.str();
  EXPECT_TRUE(log.has("GOAWAY internal_error")) << log.str();
  events.look(both);
  EXPECT_FALSE(log.has("more time(s)")) << log.str();
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

}  // namespace
}  // namespace sluice::control
