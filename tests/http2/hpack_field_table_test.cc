// The memory of shared fields: blocks are split and joined, and a reference to a field that is gone
// never finds another one.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "http2/hpack/field_table.h"

namespace sluice::http2::hpack {
namespace {

constexpr SipKey kKey{1, 2};
constexpr size_t kBytes = 65'536;

uint32_t intern(FieldTable& table, std::string_view text) {
  return table.intern({text.data(), 1, static_cast<uint32_t>(text.size()) - 1, Name::kOther, 0});
}
// As many fields of `size` bytes as there is room for.
std::vector<uint32_t> fill(FieldTable& table, size_t size) {
  std::vector<uint32_t> handles;
  for (uint32_t i = 0;; ++i) {
    std::string text = std::to_string(i) + "-";
    text.resize(size, 'x');
    const uint32_t handle = intern(table, text);
    if (handle == 0) return handles;
    handles.push_back(handle);
  }
}
void release(FieldTable& table, const std::vector<uint32_t>& handles) {
  for (const uint32_t h : handles) table.release(h);
}

struct FieldTableTest : testing::Test {
  stats::Http2 stats;
  FieldTable table{kKey, stats, kBytes};
};

TEST_F(FieldTableTest, WhereSmallFieldsWereLargeOnesHaveRoom) {
  for (int round = 0; round < 3; ++round)
    for (const size_t size : {20u, 90u, 200u, 400u, 900u, 2'000u, FieldTable::kMaxText}) {
      FieldTable fresh(kKey, stats, kBytes);
      const auto expected = fill(fresh, size);
      const auto handles = fill(table, size);
      EXPECT_EQ(handles.size(), expected.size()) << size << " bytes, round " << round;
      release(table, handles);
      release(fresh, expected);
    }
  EXPECT_EQ(table.records(), 0u);
}

// Of a hundred fields one stays, and with it only the block that it is in.
TEST_F(FieldTableTest, AFewSmallFieldsThatStayDoNotKeepLargeOnesOut) {
  std::vector<uint32_t> stay;
  std::vector<uint32_t> go;
  for (const uint32_t h : fill(table, 20))
    (stay.size() * 100 <= go.size() ? stay : go).push_back(h);
  release(table, go);
  const auto large = fill(table, 2'000);
  EXPECT_GE(large.size(), 20u);
  release(table, large);
  release(table, stay);
  EXPECT_EQ(table.records(), 0u);
}

// Every field's text is what the header of one that is gone would have to say to be taken for it.
TEST_F(FieldTableTest, AReferenceToAFieldThatIsGoneNeverFindsAnother) {
  struct Known {
    FieldRef ref;
    std::string text;
  };
  std::vector<Known> live;
  std::vector<FieldRef> gone;
  Random random(11);
  for (int step = 0; step < 60'000; ++step) {
    // Waves, so that much is joined in between.
    const bool grows = step / 500 % 2 == 0;
    if (live.empty() || random.chance(grows ? 0.8 : 0.1)) {
      std::string text = std::to_string(step);
      // In step with where a header has its generation.
      text.resize((text.size() + 3) / 4 * 4, '-');
      const size_t size = std::min<size_t>(16u << random.below(8), FieldTable::kMaxText);
      while (text.size() + 4 <= size) {
        const uint64_t latest = random.below(std::min<size_t>(gone.size(), 64) + 1);
        const uint32_t forged = latest == 0 ? 0 : gone[gone.size() - latest].generation;
        text.append(reinterpret_cast<const char*>(&forged), sizeof(forged));
      }
      if (const uint32_t h = intern(table, text); h != 0) live.push_back({table.ref(h), text});
    } else {
      std::swap(live[random.below(live.size())], live.back());
      gone.push_back(live.back().ref);
      table.release(live.back().ref.handle);
      live.pop_back();
    }
    if (step % 50 != 0) continue;
    for (const FieldRef& r : gone) ASSERT_FALSE(table.current(r)) << "step " << step;
    for (const Known& k : live) {
      ASSERT_TRUE(table.current(k.ref));
      const FieldTable::Record& r = table[k.ref.handle];
      ASSERT_EQ(std::string_view(r.text(), r.name_size + r.value_size), k.text);
    }
  }
  for (const Known& k : live) table.release(k.ref.handle);
  EXPECT_EQ(table.records(), 0u);
}

}  // namespace
}  // namespace sluice::http2::hpack
