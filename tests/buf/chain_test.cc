// Chains of packet buffers: cut anywhere, they keep the order of their bytes and free each buffer
// once.

#include "buf/chain.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/poison.h"
#include "buf/fixture.h"

namespace sluice::buf {
namespace {

class ChainTest : public ::testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(Pool(pool_).available(), kBuffers) << "buffers leaked";
    free_pool(pool_);
  }

  // One buffer for each piece.
  Chain chain(const std::vector<std::string>& pieces) {
    rte_mbuf* head = nullptr;
    for (const std::string& piece : pieces) {
      rte_mbuf* m = rte_pktmbuf_alloc(pool_);
      unpoison(m->buf_addr, m->buf_len);
      std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(piece.size())), piece.data(),
                  piece.size());
      if (head == nullptr) {
        head = m;
      } else {
        EXPECT_EQ(rte_pktmbuf_chain(head, m), 0);
      }
    }
    return Chain(head);
  }
  static std::string text(const Chain& c) {
    std::string s;
    c.for_each([&s](View v) { s.append(v.begin(), v.end()); });
    return s;
  }

  static constexpr uint32_t kBuffers = 63;
  rte_mempool* pool_ = make_pool("chain", kBuffers, 512, 0);
};

TEST_F(ChainTest, is_cut_at_both_ends_at_every_byte) {
  const std::vector<std::string> pieces{"ab", "", "cde", "f", "ghij"};
  const std::string whole = "abcdefghij";
  for (uint32_t front = 0; front <= whole.size(); ++front) {
    for (uint32_t back = 0; front + back <= whole.size(); ++back) {
      Chain c = chain(pieces);
      c.drop_back(back);
      c.drop_front(front);
      const std::string left = whole.substr(front, whole.size() - front - back);
      EXPECT_EQ(text(c), left);
      EXPECT_EQ(c.size(), left.size());
      std::string taken;
      while (c.size() > 0) {
        const Slice s = c.pop_front();
        EXPECT_GT(s.size(), 0u);
        EXPECT_EQ(s.mbuf()->nb_segs, 1);
        EXPECT_EQ(s.mbuf()->next, nullptr);
        taken.append(s.view().begin(), s.view().end());
      }
      EXPECT_EQ(taken, left);
    }
  }
}

TEST_F(ChainTest, a_chain_that_was_moved_from_is_empty) {
  Chain a = chain({"one", "two"});
  Chain b = std::move(a);
  EXPECT_EQ(a.size(), 0u);  // NOLINT(bugprone-use-after-move)
  a = std::move(b);
  EXPECT_EQ(text(a), "onetwo");
  a = chain({"x"});
  EXPECT_TRUE(a.single());
  EXPECT_EQ(text(a), "x");
}

TEST_F(ChainTest, that_is_cleared_has_given_its_buffers_back) {
  Chain c = chain({"one", "two", "three"});
  c.clear();
  EXPECT_EQ(c.size(), 0u);
  EXPECT_TRUE(c.single());
  EXPECT_EQ(Pool(pool_).available(), kBuffers);
}

TEST_F(ChainTest, leaves_leading_empty_buffers_behind) {
  Chain c = chain({"", "", "a", ""});
  EXPECT_EQ(c.front().size(), 1u);
  EXPECT_EQ(c.pop_front().size(), 1u);
  EXPECT_EQ(c.size(), 0u);
}

}  // namespace
}  // namespace sluice::buf
