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
  static inline rte_mempool* pool = nullptr;
  static void SetUpTestSuite() {
    if (pool == nullptr) pool = buf::make_pool("tables", 2047, 2048 + 128, -1);
  }
  static buf::Slice bytes(Seq seq, uint32_t n) {
    buf::Slice s = buf::Pool(pool).alloc();
    s.grow_back(n);
    for (uint32_t i = 0; i < n; ++i) s.mutable_data()[i] = static_cast<uint8_t>((seq + i) * 7);
    return s;
  }
  ReceiveQueue::Pools pools;
};

TEST_F(ReceiveQueueTest, random_overlapping_inserts_give_every_byte_once) {
  const unsigned before = rte_mempool_avail_count(pool);
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random r(seed);
    ReceiveQueue q(pools);
    std::set<Seq> model;
    for (int i = 0; i < 60; ++i) {
      const Seq at = 1000 + r.below(800);
      const auto n = static_cast<uint32_t>(1 + r.below(120));
      uint32_t fresh = 0;
      for (Seq s = at; s < at + n; ++s) fresh += model.insert(s).second;
      EXPECT_EQ(q.insert(at, bytes(at, n), 1000, 1000), fresh);
      EXPECT_TRUE(q.covers(at, at + n));
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
  }
  EXPECT_EQ(rte_mempool_avail_count(pool), before);
}

TEST_F(ReceiveQueueTest, a_flood_of_tiny_segments_pins_few_buffers) {
  const unsigned before = rte_mempool_avail_count(pool);
  ReceiveQueue q(pools);
  for (Seq s = 10; s < 1010; ++s) q.insert(s, bytes(s, 1), 256, 64);
  EXPECT_TRUE(q.covers(10, 1010));
  EXPECT_LE(before - rte_mempool_avail_count(pool), 2u);
}

TEST_F(ReceiveQueueTest, pieces_are_bounded) {
  ReceiveQueue q(pools);
  for (Seq s = 0; s < 100; ++s) q.insert(10'000 + s * 1000, bytes(s, 1000), 256, 8);
  EXPECT_EQ(q.pieces(), 8u);
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
          board.sack(from * 100, to * 100, nothing);
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
    EXPECT_EQ(pool.live(), 0u);
  }
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

}  // namespace
}  // namespace sluice::tcp
