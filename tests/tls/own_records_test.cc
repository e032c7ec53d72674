// Sluice's own record layer, with itself at the other end: buffers, and keys that are used up.

#include "tls/own_records.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "buf/pool.h"
#include "tls/library.h"

namespace sluice::test {
namespace {

struct FreePool {
  void operator()(rte_mempool* p) const { buf::free_pool(p); }
};

class OwnRecordsTest : public testing::Test {
 protected:
  ~OwnRecordsTest() override {
    out.clear();
    plain.clear();
    sender.reset();
    receiver.reset();
    EXPECT_EQ(rte_mempool_in_use_count(mempool.get()), 0u) << "buffers leaked";
  }
  std::unique_ptr<tls::OwnRecords> end(uint8_t from, uint8_t to, bool client, buf::Queue& queue) {
    const auto key = [&](uint8_t fill, tls::TrafficKey::Use use) {
      const std::vector<uint8_t> secret(suite.secret_size, fill);
      return tls::TrafficKey::make(tls::library_of(0), suite, use, secret, 7);
    };
    tls::TrafficKeys keys{key(from, tls::TrafficKey::Use::kOpen),
                          key(to, tls::TrafficKey::Use::kSeal)};
    return std::make_unique<tls::OwnRecords>(std::move(keys), client, watch, memory, queue);
  }
  void begin() {
    sender = end(1, 2, false, out);
    receiver = end(2, 1, true, back);
  }
  void seal(const std::string& text) {
    ASSERT_TRUE(
        plain.append_copy({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, pool));
    ASSERT_EQ(sender->seal(plain, static_cast<uint32_t>(text.size())), tls::Records::Sealed::kDone);
  }
  // What the receiver reads when these bytes arrive in one buffer.
  std::string arrive(buf::View bytes) {
    buf::Slice s = pool.alloc();
    std::memcpy(s.mutable_data(), bytes.data(), bytes.size());
    s.grow_back(static_cast<uint32_t>(bytes.size()));
    came = s.data();
    receiver->receive(std::move(s));
    std::string all;
    for (;;) {
      buf::Slice read;
      last = receiver->read(read);
      if (last != tls::Records::Read::kPlain) break;
      given = read.data();
      all.append(reinterpret_cast<const char*>(read.data()), read.size());
    }
    if (last != tls::Records::Read::kMore) receiver->discard();
    return all;
  }
  // What it reads when all that was sealed arrives, in pieces.
  std::string transfer(uint32_t chunk) {
    std::string all;
    while (!out.empty()) {
      const buf::Slice piece = out.pop(chunk);
      all += arrive(piece.view());
    }
    return all;
  }

  std::unique_ptr<rte_mempool, FreePool> mempool{
      buf::make_pool("records", 255, 2176, SOCKET_ID_ANY)};
  buf::Pool pool{mempool.get()};
  buf::Memory memory{pool, pool, 0, 8};
  Time now{};
  config::Guards guards;
  stats::Tls stats;
  tls::RecordWatch watch{now, guards, stats, true};
  tls::CipherSuite suite = *tls::suite_of(0x1301);
  buf::Queue plain;
  buf::Queue out;
  buf::Queue back;
  std::unique_ptr<tls::OwnRecords> sender;
  std::unique_ptr<tls::OwnRecords> receiver;
  tls::Records::Read last = tls::Records::Read::kMore;
  const uint8_t* came = nullptr;   // the last bytes that arrived
  const uint8_t* given = nullptr;  // the last plain bytes
};

TEST_F(OwnRecordsTest, pass_content_of_any_size) {
  begin();
  std::string text;
  for (int i = 0; text.size() < 16'384; ++i) text += std::to_string(i) + " ";
  for (const size_t n :
       {0,     1,     15,    16,    17,    1'001, 1'002, 1'003,  2'010,  2'026, 2'027,
        2'028, 2'042, 2'043, 2'044, 4'070, 4'091, 8'192, 14'400, 16'383, 16'384}) {
    seal(text.substr(0, n));
    EXPECT_TRUE(transfer(1'448) == text.substr(0, n)) << n;
  }
}

TEST_F(OwnRecordsTest, pass_content_from_pieces_of_any_size) {
  begin();
  std::string text;
  for (const size_t size : {1, 7, 16, 300, 1'024, 2'000}) {
    text.clear();
    while (text.size() < 10'000) {
      const std::string piece(size, static_cast<char>('a' + text.size() % 26));
      buf::Slice s = pool.alloc();
      std::memcpy(s.mutable_data(), piece.data(), piece.size());
      s.grow_back(static_cast<uint32_t>(piece.size()));
      plain.append(std::move(s));
      text += piece;
      if (plain.slices() > 100) break;
    }
    ASSERT_EQ(sender->seal(plain, static_cast<uint32_t>(text.size())), tls::Records::Sealed::kDone);
    EXPECT_TRUE(transfer(1'000) == text) << size;
  }
}

TEST_F(OwnRecordsTest, are_opened_where_they_came) {
  begin();
  seal("a request");
  EXPECT_EQ(transfer(2'000), "a request");
  EXPECT_EQ(given, came + tls::TrafficKey::kHeaderSize);
}

TEST_F(OwnRecordsTest, fill_the_buffers_in_which_they_are_sent) {
  begin();
  seal(std::string(16'384, 'x'));
  EXPECT_EQ(out.slices(), 9u) << "of 2,048 bytes";
}

TEST_F(OwnRecordsTest, pin_few_buffers_when_they_come_in_single_bytes) {
  begin();
  seal(std::string(16'384, 'x'));
  const std::string all(16'384, 'x');
  uint32_t most = 0;
  std::string read;
  while (!out.empty()) {
    read += arrive(out.pop(1).view());
    most = std::max(most, receiver->buffers());
  }
  EXPECT_TRUE(read == all);
  EXPECT_LE(most, 9u);
  EXPECT_EQ(receiver->buffers(), 0u);
}

TEST_F(OwnRecordsTest, pin_few_buffers_when_they_come_in_small_segments) {
  begin();
  seal(std::string(16'384, 'x'));
  uint32_t most = 0;
  while (!out.empty()) {
    arrive(out.pop(500).view());
    most = std::max(most, receiver->buffers());
  }
  EXPECT_LE(most, 9u);
}

TEST_F(OwnRecordsTest, are_read_while_nothing_more_may_be_retained) {
  memory = buf::Memory(pool, pool, 1'000, 1'000);
  begin();
  const std::string text(16'384, 'x');
  seal(text);
  EXPECT_TRUE(transfer(1'448) == text);
  EXPECT_EQ(last, tls::Records::Read::kMore);
}

TEST_F(OwnRecordsTest, get_a_new_key_before_the_old_one_is_used_up) {
  suite.most_records = 10;
  begin();  // record 7
  std::string heard;
  for (int i = 0; i < 25; ++i) {
    seal("x");
    heard += transfer(1'000);
  }
  EXPECT_EQ(heard, std::string(25, 'x'));
  EXPECT_EQ(stats.records_out.get(), 25u + 3u) << "with three KeyUpdates";
  EXPECT_TRUE(back.empty()) << "which ask for no answer";
}

TEST_F(OwnRecordsTest, end_once) {
  begin();
  EXPECT_EQ(sender->end(), tls::Records::Sealed::kDone);
  EXPECT_EQ(sender->end(), tls::Records::Sealed::kDone);
  EXPECT_EQ(transfer(1'000), "");
  EXPECT_EQ(last, tls::Records::Read::kEnd);
  EXPECT_EQ(stats.alerts_out.get(), 1u);
}

TEST_F(OwnRecordsTest, are_not_made_without_buffers) {
  begin();
  std::vector<buf::Slice> hoard;
  ASSERT_TRUE(plain.append_copy(buf::View(reinterpret_cast<const uint8_t*>("x"), 1), pool));
  while (buf::Slice s = pool.alloc()) hoard.push_back(std::move(s));
  EXPECT_EQ(sender->seal(plain, 1), tls::Records::Sealed::kNoMemory);
}

}  // namespace
}  // namespace sluice::test
