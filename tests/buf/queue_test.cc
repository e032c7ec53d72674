#include "buf/queue.h"

#include "base/random.h"
#include "fixture.h"

namespace sluice::buf {
namespace {

std::string read(const Queue& q, uint64_t position, uint32_t n) {
  std::string out;
  q.peek(position, n, [&out](View v) { out += text_of(v); });
  return out;
}

std::string all(const Queue& q) {
  return read(q, q.begin(), static_cast<uint32_t>(q.size()));
}

TEST(Queue, positions_count_every_byte_ever_appended) {
  TestPool pool("queue");
  Queue q;
  q.append(pool.filled("abc"));
  q.append(pool.filled("defgh"));
  EXPECT_EQ(q.begin(), 0u);
  EXPECT_EQ(q.end(), 8u);
  q.trim_to(4);
  EXPECT_EQ(q.begin(), 4u);
  EXPECT_EQ(all(q), "efgh");
  q.append(pool.filled("i"));
  EXPECT_EQ(q.end(), 9u);
  EXPECT_EQ(read(q, 5, 4), "fghi");
}

TEST(Queue, trimming_gives_buffers_back_as_soon_as_their_last_byte_goes) {
  TestPool pool("queue");
  Queue q;
  q.append(pool.filled("abc"));
  q.append(pool.filled("def"));
  q.trim_to(2);
  EXPECT_EQ(q.slices(), 2u);
  q.trim_to(3);
  EXPECT_EQ(q.slices(), 1u);
  EXPECT_EQ(pool->available(), pool->size() - 1);
  q.clear();
  EXPECT_TRUE(q.empty());
  EXPECT_EQ(q.begin(), 6u);
}

TEST(Queue, an_empty_slice_is_not_queued_and_its_buffer_goes_back) {
  TestPool pool("queue");
  Queue q;
  q.append(pool.filled(""));
  EXPECT_EQ(q.slices(), 0u);
  EXPECT_EQ(pool->available(), pool->size());
}

TEST(Queue, small_copies_share_one_buffer) {
  TestPool pool("queue");
  Queue q;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(q.append_copy(bytes_of("0123456789"), pool));
  EXPECT_EQ(q.slices(), 1u);
  EXPECT_EQ(q.size(), 200u);
}

TEST(Queue, a_copy_after_a_foreign_slice_does_not_write_into_it) {
  TestPool pool("queue");
  Queue q;
  ASSERT_TRUE(q.append_copy(bytes_of("one"), pool));
  Slice foreign = pool.filled("two");
  Slice watcher = foreign.share();
  q.append(std::move(foreign));
  ASSERT_TRUE(q.append_copy(bytes_of("three"), pool));
  EXPECT_EQ(all(q), "onetwothree");
  EXPECT_EQ(q.slices(), 3u);
  EXPECT_EQ(text_of(watcher.view()), "two");
}

TEST(Queue, a_copy_larger_than_a_buffer_spans_several) {
  TestPool pool("queue");
  Queue q;
  std::string big;
  for (int i = 0; i < 9000; ++i) big += static_cast<char>('a' + i % 26);
  ASSERT_TRUE(q.append_copy(bytes_of(big), pool));
  EXPECT_EQ(all(q), big);
  EXPECT_LE(q.slices(), 5u);
}

TEST(Queue, a_copy_that_finds_no_memory_appends_nothing) {
  TestPool pool("queue", 3);
  Queue q;
  ASSERT_TRUE(q.append_copy(bytes_of("before"), pool));
  EXPECT_FALSE(q.append_copy(bytes_of(std::string(20000, 'x')), pool));
  EXPECT_EQ(all(q), "before");
  EXPECT_EQ(q.end(), 6u);
  ASSERT_TRUE(q.append_copy(bytes_of("after"), pool));
  EXPECT_EQ(all(q), "beforeafter");
}

TEST(Queue, space_written_in_place_can_be_given_back) {
  TestPool pool("queue");
  Queue q;
  ASSERT_TRUE(q.append_copy(bytes_of("frame:"), pool));
  uint8_t* p = q.append_space(100, pool);
  ASSERT_NE(p, nullptr);
  std::memcpy(p, "12345", 5);
  q.drop_back(95);
  EXPECT_EQ(all(q), "frame:12345");
}

TEST(Queue, popped_bytes_are_not_overwritten_by_later_copies) {
  TestPool pool("queue");
  Queue q;
  ASSERT_TRUE(q.append_copy(bytes_of("abcdef"), pool));
  Slice front = q.pop(4);
  ASSERT_TRUE(q.append_copy(bytes_of("ghi"), pool));
  EXPECT_EQ(text_of(front.view()), "abcd");
  EXPECT_EQ(all(q), "efghi");
  Slice rest = q.pop(100);
  EXPECT_EQ(text_of(rest.view()), "ef") << "a piece never spans two buffers";
  EXPECT_EQ(q.begin(), 6u);
}

TEST(Queue, goes_on_after_it_was_shrunk) {
  TestPool pool("queue");
  Queue q;
  q.shrink();
  ASSERT_TRUE(q.append_copy(bytes_of("one"), pool));
  q.shrink();  // not empty: nothing happens
  EXPECT_EQ(all(q), "one");
  q.clear();
  q.shrink();
  ASSERT_TRUE(q.append_copy(bytes_of("two"), pool));
  EXPECT_EQ(all(q), "two");
  EXPECT_EQ(q.begin(), 3u);
}

TEST(Queue, for_each_sees_every_slice_in_order) {
  TestPool pool("queue");
  Queue q;
  q.append(pool.filled("ab"));
  q.append(pool.filled("cd"));
  std::string seen;
  q.for_each([&seen](const Slice& s) { seen += text_of(s.view()); });
  EXPECT_EQ(seen, "abcd");
}

TEST(Queue, behaves_like_a_string_under_random_operations) {
  TestPool pool("queue", 255);
  Random random(7);
  Queue q;
  std::string model;
  uint64_t begin = 0;
  unsigned counter = 0;
  for (int step = 0; step < 20000; ++step) {
    std::string bytes(1 + random.below(300), static_cast<char>('a' + counter++ % 26));
    switch (random.below(5)) {
      case 0:
        if (q.slices() < 100) {
          q.append(pool.filled(bytes));
          model += bytes;
        }
        break;
      case 1:
        if (q.slices() < 100 && q.append_copy(bytes_of(bytes), pool)) model += bytes;
        break;
      case 2: {
        const uint64_t n = random.below(model.size() + 1);
        q.trim_to(begin + n);
        begin += n;
        model.erase(0, n);
        break;
      }
      case 3: {
        Slice s = q.pop(static_cast<uint32_t>(1 + random.below(400)));
        ASSERT_EQ(text_of(s.view()), model.substr(0, s.size()));
        begin += s.size();
        model.erase(0, s.size());
        break;
      }
      default:
        if (!model.empty()) {
          const uint32_t from = static_cast<uint32_t>(random.below(model.size()));
          const uint32_t n = static_cast<uint32_t>(random.below(model.size() - from + 1));
          ASSERT_EQ(read(q, begin + from, n), model.substr(from, n));
        }
    }
    ASSERT_EQ(q.begin(), begin);
    ASSERT_EQ(q.size(), model.size());
  }
  ASSERT_EQ(all(q), model);
}

}  // namespace
}  // namespace sluice::buf
