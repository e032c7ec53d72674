#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "stats/worker.h"

namespace sluice::stats {
namespace {

TEST(Drops, every_reason_has_a_name_and_a_meaning_of_its_own) {
  std::set<std::string_view> names;
  for (const DropInfo& d : kDropInfo) {
    EXPECT_TRUE(names.insert(d.name).second) << d.name;
    EXPECT_FALSE(d.text.empty()) << d.name;
  }
  EXPECT_EQ(names.size(), kDrops);
  EXPECT_EQ(name_of(Drop::kEthernetShort), "ethernet_short");
  EXPECT_EQ(name_of(Drop::kTxTooLong), "tx_too_long");
}

TEST(Tables, each_field_is_visited_once_under_its_name) {
  const auto w = std::make_unique<Worker>();
  w->tcp.retransmits.add(7);
  ++w->tcp.connections;
  std::set<std::string_view> names;
  uint64_t sum = 0;
  w->tcp.for_each([&](std::string_view name, const auto& value, std::string_view) {
    EXPECT_TRUE(names.insert(name).second) << name;
    if (name == "retransmits") {
      EXPECT_EQ(value.get(), 7u);
    }
    sum += value.get();
  });
  EXPECT_EQ(sum, 8u);
}

TEST(Worker, slots_up_to_the_last_have_numbers_of_their_own) {
  const auto w = std::make_unique<Worker>();
  w->pod(0).streams.add(1);
  w->pod(kMaxPods - 1).streams.add(2);
  w->listener(kMaxListeners - 1).streams.add(3);
  w->service(kMaxServices - 1).failed.add(4);
  w->port(kMaxPorts - 1).drop(Drop::kRxErrors, 5);
  EXPECT_EQ(w->pod(0).streams.get(), 1u);
  EXPECT_EQ(w->pod(kMaxPods - 1).streams.get(), 2u);
  EXPECT_EQ(w->port(kMaxPorts - 1).drop_counter(Drop::kRxErrors).get(), 5u);
  EXPECT_EQ(w->port(0).drop_counter(Drop::kRxErrors).get(), 0u);
}

TEST(Worker, has_adopted_nothing_at_first) {
  const auto w = std::make_unique<Worker>();
  EXPECT_EQ(w->generation(), 0u);
  w->adopt(3);
  EXPECT_EQ(w->generation(), 3u);
}

}  // namespace
}  // namespace sluice::stats
