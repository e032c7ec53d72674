#include "buf/slice.h"

#include "fixture.h"

namespace sluice::buf {
namespace {

TEST(Slice, the_last_reference_gives_the_buffer_back) {
  TestPool pool("slice");
  Slice a = pool.filled("hello");
  EXPECT_EQ(pool->available(), pool->size() - 1);
  Slice b = a.share();
  a.reset();
  EXPECT_EQ(pool->available(), pool->size() - 1);
  EXPECT_EQ(text_of(b.view()), "hello");
  b.reset();
  EXPECT_EQ(pool->available(), pool->size());
}

TEST(Slice, a_buffer_is_shared_exactly_while_it_has_two_references) {
  TestPool pool("slice");
  Slice a = pool.filled("hello");
  EXPECT_FALSE(a.shared());
  {
    Slice b = a.share(1, 3);
    EXPECT_TRUE(a.shared());
    EXPECT_EQ(text_of(b.view()), "ell");
  }
  EXPECT_FALSE(a.shared());
}

TEST(Slice, moving_leaves_an_empty_slice_and_no_reference_behind) {
  TestPool pool("slice");
  Slice a = pool.filled("hello");
  Slice b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT: the moved-from state is what is tested
  EXPECT_EQ(a.size(), 0u);
  EXPECT_FALSE(b.shared());
  Slice c = pool.filled("other");
  c = std::move(b);
  EXPECT_EQ(text_of(c.view()), "hello");
  EXPECT_EQ(pool->available(), pool->size() - 1);
}

TEST(Slice, a_split_makes_two_halves_of_one_buffer) {
  TestPool pool("slice");
  Slice rest = pool.filled("headbody");
  Slice head = rest.split_front(4);
  EXPECT_EQ(text_of(head.view()), "head");
  EXPECT_EQ(text_of(rest.view()), "body");
  EXPECT_EQ(head.mbuf(), rest.mbuf());
  rest.drop_front(1);
  rest.drop_back(1);
  EXPECT_EQ(text_of(rest.view()), "od");
}

TEST(Slice, the_tailroom_ends_with_the_buffer) {
  TestPool pool("slice", 15, 128 + 100);
  Slice s = pool->alloc();
  EXPECT_EQ(s.tailroom(), 100u);
  s.grow_back(60);
  EXPECT_EQ(s.tailroom(), 40u);
}

TEST(Slice, an_exhausted_pool_gives_an_empty_slice) {
  TestPool pool("slice", 3);
  std::vector<Slice> all;
  for (int i = 0; i < 3; ++i) all.push_back(pool->alloc());
  EXPECT_FALSE(pool->alloc());
  EXPECT_EQ(pool->available(), 0u);
}

TEST(Pool, a_pool_that_does_not_fit_into_memory_says_so) {
  EXPECT_THROW(make_pool("huge", 10'000'000, 2176, SOCKET_ID_ANY), std::runtime_error);
}

}  // namespace
}  // namespace sluice::buf
