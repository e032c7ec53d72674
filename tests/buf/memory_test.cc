#include "buf/memory.h"

#include "base/poison.h"
#include "fixture.h"

namespace sluice::buf {
namespace {

TEST(Memory, pins_received_bytes_in_place_while_buffers_abound) {
  TestPool rx("rx");
  TestPool hold("hold");
  Memory memory(rx, hold, 4, 2);
  Slice s = rx.filled("data");
  const rte_mbuf* before = s.mbuf();
  Slice kept = memory.retain(std::move(s));
  EXPECT_EQ(kept.mbuf(), before);
  EXPECT_EQ(memory.pinned(), 1u);
}

TEST(Memory, copies_and_gives_the_packet_back_below_the_watermark) {
  TestPool rx("rx", 15);
  TestPool hold("hold");
  Memory memory(rx, hold, 4, 2);
  std::vector<Slice> kept;
  for (int i = 0; i < 13; ++i) {
    kept.push_back(memory.retain(rx.filled("data " + std::to_string(i))));
    memory.refresh();
  }
  EXPECT_GE(rx->available(), 4u) << "the reserve is what refills the ring";
  EXPECT_GT(memory.copied(), 0u);
  for (int i = 0; i < 13; ++i) EXPECT_EQ(text_of(kept[i].view()), "data " + std::to_string(i));
}

TEST(Memory, within_one_turn_counts_what_it_pins_without_asking_the_pool) {
  TestPool rx("rx", 15);
  TestPool hold("hold");
  Memory memory(rx, hold, 10, 2);
  std::vector<Slice> kept;
  for (int i = 0; i < 8; ++i) kept.push_back(memory.retain(rx.filled("x")));
  EXPECT_EQ(memory.pinned(), 5u);
  EXPECT_EQ(memory.copied(), 3u);
}

TEST(Memory, keeps_a_packet_of_several_buffers_in_place_or_drops_it_and_copies_a_packet_of_one) {
  TestPool rx("rx", 15);
  TestPool hold("hold");
  Memory memory(rx, hold, 10, 2);
  const auto buffer = [&] {
    rte_mbuf* m = rte_pktmbuf_alloc(static_cast<Pool&>(rx).mempool());
    unpoison(m->buf_addr, m->buf_len);
    rte_pktmbuf_append(m, 8);
    return m;
  };
  const auto packet = [&] {
    rte_mbuf* m = buffer();
    EXPECT_EQ(rte_pktmbuf_chain(m, buffer()), 0);
    return Chain(m);
  };
  std::vector<Chain> kept;
  kept.push_back(memory.retain(packet()));
  kept.push_back(memory.retain(packet()));
  EXPECT_EQ(kept.back().size(), 16u);
  EXPECT_EQ(memory.pinned(), 4u);
  EXPECT_EQ(memory.retain(packet()).size(), 0u);
  EXPECT_EQ(memory.refused(), 2u);
  kept.push_back(memory.retain(Chain(rx.filled("x"))));
  kept.push_back(memory.retain(Chain(rx.filled("y"))));
  EXPECT_EQ(text_of(kept.back().view()), "y");
  EXPECT_EQ(memory.copied(), 1u);
}

TEST(Memory, copies_what_another_worker_has_copied) {
  TestPool rx("rx");
  TestPool hold("hold");
  TestPool others_hold("other");
  Memory memory(rx, hold, 4, 2);
  const Slice kept = memory.retain(others_hold.filled("x"));
  EXPECT_EQ(memory.copied(), 1u);
  EXPECT_EQ(others_hold->available(), others_hold->size());
}

TEST(Memory, lets_a_short_packet_for_another_worker_use_the_reserve) {
  TestPool rx("rx", 15);
  TestPool hold("hold", 15);
  Memory memory(rx, hold, 14, 14);
  const auto packet = [&](size_t size) { return Chain(rx.filled(std::string(size, 'x'))); };
  std::vector<Chain> pinned;
  pinned.push_back(memory.retain(packet(20)));
  memory.refresh();
  EXPECT_EQ(memory.retain(Slice(rx.filled("x"))).size(), 1u) << "one above the reserve";
  EXPECT_EQ(memory.retain(packet(1'000)).size(), 0u);
  EXPECT_EQ(memory.retain(packet(20)).size(), 20u);
}

TEST(Memory, charges_a_packet_of_another_worker_to_the_pool_that_it_came_from) {
  TestPool rx("rx", 15);
  TestPool hold("hold");
  TestPool other("other", 15);
  Memory memory(rx, hold, 10, 2);
  memory.set_others({other});
  std::vector<Slice> kept;
  for (int i = 0; i < 8; ++i) kept.push_back(memory.retain(other.filled("x")));
  EXPECT_EQ(memory.copied() + memory.pinned(), 8u);
  EXPECT_LE(memory.pinned(), 5u);
  EXPECT_EQ(memory.rx_free(), 15u) << "the worker's own pool has all of its buffers";
  const uint64_t pinned = memory.pinned();
  kept.clear();
  memory.refresh();
  kept.push_back(memory.retain(other.filled("x")));
  EXPECT_EQ(memory.pinned(), pinned + 1);
}

TEST(Memory, refuses_when_both_pools_are_down_to_their_reserves) {
  TestPool rx("rx", 15);
  TestPool hold("hold", 7);
  Memory memory(rx, hold, 15, 2);
  std::vector<Slice> kept;
  for (int i = 0; i < 10; ++i) kept.push_back(memory.retain(rx.filled("x")));
  EXPECT_EQ(memory.copied(), 5u);
  EXPECT_EQ(memory.refused(), 5u);
  EXPECT_FALSE(kept.back());
  memory.refresh();
  EXPECT_EQ(memory.hold_free(), 2u);
  EXPECT_FALSE(memory.roomy());
  EXPECT_FALSE(memory.alloc());
  EXPECT_EQ(rx->available(), rx->size());
}

TEST(Memory, leaves_alone_what_is_not_a_received_packet) {
  TestPool rx("rx");
  TestPool hold("hold");
  Memory memory(rx, hold, 15, 2);
  Slice own = hold.filled("own");
  const rte_mbuf* before = own.mbuf();
  Slice kept = memory.retain(std::move(own));
  EXPECT_EQ(kept.mbuf(), before);
  EXPECT_EQ(memory.copied() + memory.pinned(), 0u);
}

}  // namespace
}  // namespace sluice::buf
