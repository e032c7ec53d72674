// Parsing and emitting TCP headers; garbage of every kind.

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "tcp/header.h"
#include "tcp/sequence.h"

namespace sluice::tcp {
namespace {

Header full() {
  Header h;
  h.source_port = 1234;
  h.destination_port = 80;
  h.seq = 0xdeadbeef;
  h.ack = 0xcafebabe;
  h.flags = kSyn | kAck;
  h.window = 4321;
  h.options.mss = 1460;
  h.options.scale = 7;
  h.options.sack_permitted = true;
  h.options.timestamps = true;
  h.options.ts_value = 111;
  h.options.ts_echo = 222;
  return h;
}

TEST(TcpHeader, what_is_emitted_is_parsed_back) {
  std::array<uint8_t, kMaxHeader> b;
  const size_t n = emit(full(), b);
  EXPECT_EQ(n % 4, 0u);
  const auto p = parse({b.data(), n});
  ASSERT_TRUE(p);
  EXPECT_EQ(p->size, n);
  EXPECT_EQ(p->header.seq, 0xdeadbeef);
  EXPECT_EQ(p->header.ack, 0xcafebabe);
  EXPECT_EQ(p->header.flags, kSyn | kAck);
  EXPECT_EQ(p->header.options.mss, 1460);
  EXPECT_EQ(p->header.options.scale, 7);
  EXPECT_TRUE(p->header.options.sack_permitted);
  EXPECT_EQ(p->header.options.ts_value, 111u);
  EXPECT_EQ(p->header.options.ts_echo, 222u);
}

TEST(TcpHeader, sack_blocks_beside_timestamps_are_three) {
  Header h;
  h.flags = kAck;
  h.options.timestamps = true;
  h.options.sack_count = 4;
  for (uint32_t i = 0; i < 4; ++i) h.options.sacks[i] = {i * 10, i * 10 + 5};
  std::array<uint8_t, kMaxHeader> b;
  const size_t n = emit(h, b);
  EXPECT_LE(n, kMaxHeader);
  const auto p = parse({b.data(), n});
  ASSERT_TRUE(p);
  EXPECT_EQ(p->header.options.sack_count, 3);
  EXPECT_EQ(p->header.options.sacks[2].end, 25u);
}

TEST(TcpHeader, every_truncation_is_refused) {
  std::array<uint8_t, kMaxHeader> b;
  const size_t n = emit(full(), b);
  for (size_t i = 0; i < n; ++i) EXPECT_FALSE(parse({b.data(), i})) << i;
}

TEST(TcpHeader, a_data_offset_below_five_is_refused) {
  std::array<uint8_t, kMaxHeader> b;
  const size_t n = emit(full(), b);
  b[12] = 4 << 4;
  EXPECT_FALSE(parse({b.data(), n}));
}

TEST(TcpHeader, an_option_with_a_bad_length_ends_the_options_and_nothing_else) {
  std::array<uint8_t, kMaxHeader> b;
  size_t n = emit(full(), b);
  b[n++] = 200;  // unknown kind
  b[n++] = 1;    // impossible length
  b[n++] = 0;
  b[n++] = 0;
  b[12] = static_cast<uint8_t>(n / 4 << 4);
  const auto p = parse({b.data(), n});
  ASSERT_TRUE(p);
  EXPECT_EQ(p->header.options.mss, 1460);
}

TEST(TcpHeader, handshake_options_count_in_a_syn_only) {
  Header h = full();
  h.flags = kAck;
  std::array<uint8_t, kMaxHeader> b;
  const size_t n = emit(h, b);
  const auto p = parse({b.data(), n});
  ASSERT_TRUE(p);
  EXPECT_EQ(p->header.options.mss, 0);
  EXPECT_FALSE(p->header.options.scale);
  EXPECT_FALSE(p->header.options.sack_permitted);
  EXPECT_TRUE(p->header.options.timestamps);
}

TEST(TcpHeader, random_bytes_never_read_beyond_their_end) {
  Random r(7);
  for (int i = 0; i < 200'000; ++i) {
    std::vector<uint8_t> b(r.below(70));
    for (auto& x : b) x = static_cast<uint8_t>(r.chance(0.2) ? r.below(9) : r.next());
    const auto p = parse(b);
    if (p) {
      EXPECT_LE(p->size, b.size());
    }
  }
}

TEST(Sequence, widening_finds_the_nearest_across_the_wrap) {
  const Seq s = first_seq(0xfffffff0);
  EXPECT_EQ(widen(s, 0xfffffff5), s + 5);
  EXPECT_EQ(widen(s, 0x5), s + 0x15);
  EXPECT_EQ(widen(s + 0x20, 0xfffffff0), s);
  EXPECT_EQ(wire(s + 0x10), 0u);
}

}  // namespace
}  // namespace sluice::tcp
