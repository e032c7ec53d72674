#include "control/link_watch.h"

#include <utility>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

class LinkWatchTest : public testing::Test {
 protected:
  LinkWatchTest() {
    for (const char* name : {"north", "south"}) {
      config::Port p;
      p.name = name;
      snapshot.startup.ports.push_back(p);
    }
  }
  // Each line is followed by a newline.
  std::string look() {
    std::string text;
    for (const LinkWatch::Line& l : watch.look(snapshot))
      text += (l.good ? "good: " : "bad: ") + l.text + "\n";
    return text;
  }

  config::Snapshot snapshot;
  std::vector<stats::NicLink> links{{.up = true, .mbps = 10'000}, {.up = true}};
  std::vector<size_t> announced;
  LinkWatch watch{[this](size_t port) { return links[port]; },
                  [this](size_t port) { announced.push_back(port); }};
};

TEST_F(LinkWatchTest, a_port_whose_link_comes_up_is_announced_again) {
  look();
  announced.clear();
  links[0].up = false;
  EXPECT_EQ(look(), "bad: port north: link down\n");
  EXPECT_TRUE(announced.empty());
  EXPECT_EQ(look(), "");
  links[0].up = true;
  EXPECT_EQ(look(), "good: port north: link up, 10 Gbit/s\n");
  EXPECT_EQ(announced, std::vector<size_t>{0});
  EXPECT_EQ(look(), "");
}

TEST_F(LinkWatchTest, the_first_look_announces_since_the_link_may_have_come_up_meanwhile) {
  links[1].up = false;
  EXPECT_EQ(look(), "good: port north: link up, 10 Gbit/s\nbad: port south: link down\n");
  EXPECT_EQ(announced, std::vector<size_t>{0});
}

TEST_F(LinkWatchTest, a_link_that_changes_its_speed_is_said_and_not_announced) {
  look();
  announced.clear();
  links[0] = {.up = true, .mbps = 100, .full_duplex = false};
  EXPECT_EQ(look(), "good: port north: link up, 100 Mbit/s, half duplex\n");
  EXPECT_TRUE(announced.empty());
}

TEST_F(LinkWatchTest, a_bond_that_changes_its_member_is_said_and_announced) {
  links[0].member = "a";
  look();
  announced.clear();
  links[0].member = "b";
  EXPECT_EQ(look(), "good: port north: link up, 10 Gbit/s, by b\n");
  EXPECT_EQ(announced, std::vector<size_t>{0});
  EXPECT_EQ(look(), "");
}

TEST_F(LinkWatchTest, an_announcement_is_made_three_times_since_one_can_be_lost) {
  links[1].up = false;
  std::vector<size_t> looks;
  for (size_t i = 0; i < 100; ++i) {
    look();
    if (!announced.empty()) looks.push_back(i);
    for (size_t port : std::exchange(announced, {})) EXPECT_EQ(port, 0u);
  }
  EXPECT_EQ(looks, (std::vector<size_t>{0, 20, 40}));
}

TEST_F(LinkWatchTest, the_announcement_of_a_new_listeners_address_is_repeated) {
  for (unsigned i = 0; i < 100; ++i) look();
  announced.clear();
  const auto hundred_looks = [&] {
    for (unsigned i = 0; i < 100; ++i) look();
    return std::exchange(announced, {});
  };
  config::Listener listener;
  listener.address = *Endpoint::parse("198.18.0.10:80");
  snapshot.listeners.push_back(listener);
  EXPECT_EQ(hundred_looks(), (std::vector<size_t>{0, 1, 0, 1}));
  listener.address.port = 443;  // of the same address
  snapshot.listeners.push_back(listener);
  EXPECT_EQ(hundred_looks(), std::vector<size_t>{});
  snapshot.listeners.clear();
  EXPECT_EQ(hundred_looks(), std::vector<size_t>{});
}

TEST(LinkWatch, without_a_probe_nothing_is_watched) {
  config::Snapshot snapshot;
  snapshot.startup.ports.resize(1);
  EXPECT_TRUE(LinkWatch({}, {}).look(snapshot).empty());
}

}  // namespace
}  // namespace sluice::control
