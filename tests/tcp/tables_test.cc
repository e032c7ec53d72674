// The connection table, the receive queue and the scoreboard, each against a plain model.

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "base/random.h"
#include "buf/pool.h"
#include "tcp/connection.h"
#include "tcp/flow_table.h"
#include "tcp/receive_queue.h"
#include "tcp/scoreboard.h"

namespace sluice::tcp {
namespace {

struct Entry : Flow {
  Entry(const Endpoint& l, const Endpoint& r) : Flow(Kind::kTimeWait, l, r) {}
};

TEST(FlowTable, finds_what_was_inserted_and_nothing_that_was_erased) {
  Random r(3);
  FlowTable table(500, SipKey{1, 2});
  std::vector<std::unique_ptr<Entry>> in;
  const Endpoint local{Address::v4(1), 80};
  uint32_t next = 0;
  for (int step = 0; step < 20'000; ++step) {
    if (in.size() < 500 && r.chance(0.52)) {
      ++next;
      in.push_back(std::make_unique<Entry>(
          local, Endpoint{Address::v4(next >> 16), static_cast<uint16_t>(next)}));
      table.insert(*in.back());
    } else if (!in.empty()) {
      const size_t i = r.below(in.size());
      table.erase(*in[i]);
      EXPECT_EQ(table.find(local, in[i]->remote()), nullptr);
      in.erase(in.begin() + static_cast<long>(i));
    }
    if (step % 500 == 0) {
      for (auto& e : in) EXPECT_EQ(table.find(local, e->remote()), e.get());
    }
  }
  EXPECT_EQ(table.size(), in.size());
  for (auto& e : in) table.erase(*e);
}

TEST(Connection, keeps_less_than_a_kibibyte) {
  EXPECT_LE(sizeof(Connection) + 2 * 16, 1024u);
  RecordProperty("bytes", static_cast<int>(sizeof(Connection)));
}

class ReceiveQueueTest : public testing::Test {
 protected:
  static inline rte_mempool* pool = nullptr;  // of received packets
  static inline rte_mempool* hold = nullptr;
  static void SetUpTestSuite() {
    if (pool == nullptr) pool = buf::make_pool("tables", 2047, 2048 + 128, -1);
    if (hold == nullptr) hold = buf::make_pool("tables_hold", 2047, 2048 + 128, -1);
  }
  static unsigned free_buffers() {
    return rte_mempool_avail_count(pool) + rte_mempool_avail_count(hold);
  }
  static buf::Slice bytes(Seq seq, uint32_t n) {
    buf::Slice s = buf::Pool(pool).alloc();
    s.grow_back(n);
    for (uint32_t i = 0; i < n; ++i) s.mutable_data()[i] = static_cast<uint8_t>((seq + i) * 7);
    return s;
  }
  uint32_t insert(ReceiveQueue& q, Seq at, uint32_t n, uint32_t max_buffers = 1000) {
    memory.refresh();
    return q.insert(all, at, bytes(at, n), max_buffers, Time{});
  }

  Config config;
  buf::Memory memory{buf::Pool(pool), buf::Pool(hold), 64, 16};
  TimerWheel wheel{Time{}};
  Counters counters;
  ReceiveQueues all{config, memory, wheel, counters};
};

TEST_F(ReceiveQueueTest, random_overlapping_inserts_give_every_byte_once) {
  const unsigned before = free_buffers();
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random r(seed);
    ReceiveQueue q;
    std::set<Seq> model;
    const uint64_t longest = seed % 2 == 0 ? 120 : 1900;  // all copied together, or some not
    for (int i = 0; i < 60; ++i) {
      const Seq at = 1000 + r.below(800 + 5 * longest);
      const auto n = static_cast<uint32_t>(1 + r.below(longest));
      uint32_t fresh = 0;
      for (Seq s = at; s < at + n; ++s) fresh += model.insert(s).second;
      EXPECT_EQ(insert(q, at, n), fresh);
      EXPECT_TRUE(q.covers(at, at + n));
      if (fresh > 0 && longest == 120) {
        EXPECT_LE(before - free_buffers(), q.buffers());
      }
    }
    uint32_t islands = 0;
    for (Seq s : model) islands += model.count(s - 1) == 0;
    EXPECT_EQ(q.islands(), islands);
    Seq next = *model.begin();
    while (!q.empty()) {
      buf::Slice s = q.pop(next);
      if (!s) {
        while (model.count(next) == 0) ++next;
        continue;
      }
      for (uint32_t i = 0; i < s.size(); ++i, ++next) {
        ASSERT_EQ(model.erase(next), 1u);
        ASSERT_EQ(s.data()[i], static_cast<uint8_t>(next * 7));
      }
    }
    EXPECT_TRUE(model.empty());
    EXPECT_EQ(q.buffers(), 0u);
  }
  EXPECT_EQ(free_buffers(), before);
  EXPECT_EQ(all.holders(), 0u);
}

TEST_F(ReceiveQueueTest, a_flood_of_tiny_segments_pins_few_buffers) {
  const unsigned before = free_buffers();
  ReceiveQueue q;
  for (Seq s = 10; s < 1010; ++s) insert(q, s, 1);
  EXPECT_TRUE(q.covers(10, 1010));
  EXPECT_EQ(before - free_buffers(), 1u);
}

TEST_F(ReceiveQueueTest, bytes_with_gaps_between_them_share_buffers_and_their_records_count) {
  const unsigned before = free_buffers();
  ReceiveQueue q;
  for (Seq s = 0; s < 250; ++s) EXPECT_EQ(insert(q, 10 + 2 * s, 1), 1u);
  EXPECT_EQ(q.islands(), 250u);
  EXPECT_EQ(before - free_buffers(), 1u);
  EXPECT_EQ(q.buffers(), 1 + 2 * 250 / Held::kRecordsABuffer);
  // Two runs that grow by turns: no byte stands behind its neighbour in the buffer.
  for (Seq s = 1; s < 2000; ++s) {
    insert(q, 10'000 + s, 1, 40);
    insert(q, 20'000 + s, 1, 40);
  }
  EXPECT_LE(q.buffers(), 40u);
}

TEST_F(ReceiveQueueTest, buffers_are_bounded) {
  ReceiveQueue q;
  for (Seq s = 0; s < 100; ++s) insert(q, 10'000 + s * 1100, 1100, 8);
  EXPECT_EQ(q.buffers(), 8u);
  EXPECT_EQ(counters.out_of_order_dropped.get(), 92u);
}

TEST_F(ReceiveQueueTest, what_was_taken_out_stays_as_it_is_while_its_buffer_is_filled_further) {
  ReceiveQueue q;
  insert(q, 100, 50);
  insert(q, 200, 50);
  const buf::Slice taken = q.pop(100);
  for (Seq s = 300; s < 2000; s += 100) insert(q, s, 50);
  ASSERT_EQ(taken.size(), 50u);
  for (uint32_t i = 0; i < 50; ++i) EXPECT_EQ(taken.data()[i], static_cast<uint8_t>((100 + i) * 7));
}

TEST(Scoreboard, counts_pipe_like_a_plain_model) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Random r(seed);
    Scoreboard::Pool pool;
    Scoreboard board(pool);
    enum : uint8_t { kFlight, kLost, kSacked };
    std::vector<uint8_t> model;  // one state a segment of 100 bytes
    size_t una = 0;
    Time now{Duration(1s)};
    auto nothing = [](const Scoreboard::Segment&) {};
    for (int i = 0; i < 300; ++i) {
      now += 1ms;
      switch (r.below(5)) {
        case 0:
        case 1:
          board.sent(model.size() * 100, model.size() * 100 + 100, now);
          model.push_back(kFlight);
          break;
        case 2: {
          const size_t to = una + r.below(model.size() - una + 1) / 4;
          board.acknowledge(to * 100, nothing);
          una = to;
          break;
        }
        case 3: {
          if (model.size() < una + 2) break;
          const size_t from = una + 1 + r.below(model.size() - una - 1);
          const size_t to = std::min(model.size(), from + 1 + r.below(4));
          uint32_t steps = Scoreboard::kFindSteps;
          board.sack(from * 100, to * 100, steps, nothing);
          for (size_t k = from; k < to; ++k) model[k] = kSacked;
          break;
        }
        case 4:
          if (Scoreboard::Segment* s = board.next_lost()) {
            const size_t k = s->begin / 100;
            board.resent(*s, s->end, now);
            model[k] = kFlight;
          } else if (board.first() != nullptr &&
                     board.first()->state == Scoreboard::State::kInFlight) {
            const size_t k = board.first()->begin / 100;
            board.mark_lost(*board.first());
            model[k] = kLost;
          }
          break;
      }
      uint32_t counts[3]{};
      for (size_t k = una; k < model.size(); ++k) counts[model[k]] += 100;
      ASSERT_EQ(board.pipe(), counts[kFlight]);
      ASSERT_EQ(board.lost(), counts[kLost]);
      ASSERT_EQ(board.sacked(), counts[kSacked]);
    }
    board.clear();
    EXPECT_EQ(board.pipe() + board.lost() + board.sacked(), 0u);
  }
}

// What a receiver says of a window in which one segment in twenty was lost, and of what is sent
// again, with the four blocks that an ACK has room for.
TEST(Scoreboard, the_blocks_of_an_honest_receiver_are_always_found) {
  constexpr Seq kSegments = 3000;
  Scoreboard::Pool pool;
  Scoreboard board(pool);
  for (Seq s = 0; s < kSegments; ++s) board.sent(s * 100, s * 100 + 100, Time{});
  Random r(5);
  std::vector<bool> here(kSegments + 1);
  std::vector<Seq> lost;
  std::vector<std::pair<Seq, Seq>> news;  // runs, the latest first
  auto nothing = [](const Scoreboard::Segment&) {};
  uint32_t most = 0;
  const auto arrives = [&](Seq s) {
    here[s] = true;
    Seq begin = s;
    Seq end = s + 1;
    while (begin > 0 && here[begin - 1]) --begin;
    while (here[end]) ++end;
    std::erase_if(news, [&](const auto& b) { return b.first >= begin && b.second <= end; });
    news.insert(news.begin(), {begin, end});
    uint32_t steps = Scoreboard::kFindSteps;
    for (size_t i = 0; i < news.size() && i < 4; ++i)
      board.sack(news[i].first * 100, news[i].second * 100, steps, nothing);
    most = std::max(most, Scoreboard::kFindSteps - steps);
    ASSERT_GT(steps, 0u);
  };
  for (Seq s = 1; s < kSegments * 3 / 4; ++s) {
    if (r.chance(0.05)) {
      lost.push_back(s);
    } else {
      arrives(s);
    }
  }
  // What is sent again and new segments arrive by turns.
  Seq next = kSegments * 3 / 4;
  for (const Seq s : lost) {
    arrives(s);
    arrives(next++);
  }
  RecordProperty("steps", static_cast<int>(most));
  EXPECT_EQ(board.sacked(), (next - 1) * 100);
}

TEST(Scoreboard,
     a_block_that_is_far_from_anything_known_costs_a_bounded_search_and_is_found_later) {
  Scoreboard::Pool pool;
  Scoreboard board(pool);
  for (Seq s = 0; s < 12'000; ++s) board.sent(s * 88, s * 88 + 88, Time{});
  auto nothing = [](const Scoreboard::Segment&) {};
  int acks = 0;
  while (board.sacked() == 0) {
    uint32_t steps = Scoreboard::kFindSteps;
    board.sack(5000 * 88, 5001 * 88, steps, nothing);
    ASSERT_LE(++acks, 5000 / 256 + 1);
  }
  EXPECT_GT(acks, 10);
  board.clear();
}

// At a timeout: a hole at the front that was lost again stood behind hundreds of kilobytes of other
// losses, of which each timeout sent one segment.
TEST(Scoreboard, the_oldest_loss_can_be_put_before_the_others) {
  Scoreboard::Pool pool;
  Scoreboard board(pool);
  for (Seq at = 0; at < 400; at += 100) board.sent(at, at + 100, Time{});
  board.walk_in_flight([&](Scoreboard::Segment& s) {
    if (s.begin > 0) board.mark_lost(s);
    return true;
  });
  board.mark_lost(*board.first());
  ASSERT_EQ(board.next_lost()->begin, 100u);
  board.hurry(*board.first());
  EXPECT_EQ(board.next_lost()->begin, 0u);
  EXPECT_EQ(board.lost(), 400u);
  board.resent(*board.next_lost(), 100, Time{});
  EXPECT_EQ(board.next_lost()->begin, 100u);
}

TEST(Scoreboard, an_empty_one_gives_its_memory_back_and_goes_on) {
  Scoreboard::Pool pool;
  Scoreboard board(pool);
  EXPECT_FALSE(board.has_memory());
  EXPECT_EQ(board.first(), nullptr);
  EXPECT_EQ(board.next_lost(), nullptr);
  const auto nothing = [](const Scoreboard::Segment&) {};
  for (Seq at : {Seq{0}, Seq{200}}) {
    EXPECT_EQ(board.acknowledge(at, nothing), 0u);
    board.sent(at, at + 100, Time{});
    board.sent(at + 100, at + 200, Time{});
    board.shrink();
    EXPECT_TRUE(board.has_memory()) << "something is in flight";
    uint32_t steps = Scoreboard::kFindSteps;
    EXPECT_EQ(board.sack(at + 100, at + 200, steps, nothing), 100u);
    EXPECT_EQ(board.highest_sacked(), at + 200);
    EXPECT_EQ(board.acknowledge(at + 200, nothing), 100u);
    EXPECT_TRUE(board.has_memory()) << "for the next segment";
    board.shrink();
    EXPECT_FALSE(board.has_memory());
    EXPECT_EQ(board.highest_sacked(), 0u);
  }
}

}  // namespace
}  // namespace sluice::tcp
