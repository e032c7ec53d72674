#include "control/port_watch.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

class PortWatchTest : public testing::Test {
 protected:
  PortWatchTest() {
    for (const char* name : {"north", "south"}) {
      config::Port p;
      p.name = name;
      snapshot.startup.ports.push_back(p);
    }
  }
  void traffic(size_t port, uint64_t received, uint64_t sent) {
    worker->port(port).rx_packets.add(received);
    worker->port(port).tx_packets.add(sent);
  }
  std::string look(int times = 1) {
    std::string text;
    for (int i = 0; i < times; ++i)
      for (const PortWatch::Line& l : watch.look(snapshot, {worker.get()}))
        text += (l.good ? "good: " : "bad: ") + l.text + "\n";
    return text;
  }

  config::Snapshot snapshot;
  std::unique_ptr<stats::Worker> worker = std::make_unique<stats::Worker>();
  PortWatch::Health north;
  PortWatch watch{[this](size_t port) { return port == 0 ? north : PortWatch::Health{}; }};
};

TEST_F(PortWatchTest, a_port_that_sends_and_hears_nothing_is_said_once_and_again_when_it_hears) {
  traffic(0, 10, 10);
  EXPECT_EQ(look(), "");
  traffic(0, 0, 20);
  const std::string said = look(10);
  EXPECT_EQ(said.find("bad: port north has received nothing for 5 s, and 20 frames were sent"), 0u)
      << said;
  EXPECT_EQ(said.find("bad", 1), std::string::npos) << said;
  traffic(0, 1, 0);
  EXPECT_EQ(look(3), "good: port north receives again\n");
}

TEST_F(PortWatchTest, a_quiet_port_is_no_deaf_one) {
  traffic(0, 10, 10);
  EXPECT_EQ(look(100), "");
  traffic(0, 0, 2);  // an announcement is not answered
  EXPECT_EQ(look(100), "");
}

TEST_F(PortWatchTest, a_port_whose_program_is_gone_is_said_at_once_with_the_reason) {
  traffic(0, 10, 10);
  EXPECT_EQ(look(), "");
  north.deaf = "its XDP program is gone";
  EXPECT_EQ(look(3), "bad: port north receives nothing: its XDP program is gone\n");
  north.deaf.clear();
  traffic(0, 1, 0);
  EXPECT_EQ(look(3), "good: port north receives again\n");
}

TEST_F(PortWatchTest, a_device_that_hashes_flows_in_its_own_way_is_said_once) {
  north.hash_fault = "the device's hash of a frame was 0x1, and software's is 0x2";
  EXPECT_EQ(look(3),
            "bad: port north: the device's hash of a frame was 0x1, and software's is 0x2; its "
            "profile says flows = \"rss\", and \"none\" is used instead\n");
}

TEST_F(PortWatchTest, frames_that_the_hardware_dropped_are_counted_as_drops) {
  north.rx_missed = 7;
  north.rx_no_buffer = 9;
  look();
  EXPECT_EQ(worker->port(0).drop_counter(stats::Drop::kRxMissed).get(), 7u);
  EXPECT_EQ(worker->port(0).drop_counter(stats::Drop::kRxNoBuffer).get(), 9u);
  EXPECT_EQ(worker->port(1).drop_counter(stats::Drop::kRxMissed).get(), 0u);
}

}  // namespace
}  // namespace sluice::control
