// What transport::Stream promises, of a stream that makes records.

#include "support/record_stream.h"

#include <gtest/gtest.h>

#include <string>

#include "support/loose_stream.h"

namespace sluice::test {
namespace {

constexpr uint32_t kSize = 10;  // bytes of payload in a record
constexpr uint32_t kWhole = kSize + RecordStream::kOverhead;

struct Listener final : transport::User {
  void on_established(transport::Stream&) override {}
  void on_data(transport::Stream& s, buf::Slice data) override {
    heard.append(reinterpret_cast<const char*>(data.data()), data.size());
    s.consumed(data.size());
  }
  void on_end_of_data(transport::Stream&, transport::End end) override {
    heard += end == transport::End::kClean ? "." : "!";
  }
  void on_writable(transport::Stream&) override { ++writable; }
  void on_closed(transport::Stream&, transport::CloseReason) override {}

  std::string heard;
  int writable = 0;
};

struct End {
  explicit End(buf::Pool& pool) : stream(pool, kSize) {
    stream.set_lower(lower);
    stream.set_user(user);
  }
  LooseStream lower;
  RecordStream stream;
  Listener user;
};

struct Packets {
  ~Packets() {
    EXPECT_EQ(rte_mempool_in_use_count(mempool), 0u) << "buffers leaked";
    buf::free_pool(mempool);
  }
  rte_mempool* mempool = buf::make_pool("records", 255, 2176, SOCKET_ID_ANY);
};

class RecordStreamTest : public testing::Test {
 protected:
  void append(std::string_view bytes) {
    a.stream.output().append_copy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                                  pool);
  }
  void send(std::string_view bytes) {
    append(bytes);
    a.stream.push();
  }

  Packets packets;
  buf::Pool pool{packets.mempool};
  End a{pool};
  End b{pool};
};

TEST_F(RecordStreamTest, passes_bytes_on_however_its_records_are_split) {
  std::string all;
  for (size_t chunk = 1; chunk <= 2 * kWhole; ++chunk) {
    send("twenty-three bytes here");
    all += "twenty-three bytes here";
    b.lower.arrive(a.lower.drain(), chunk, pool);
    EXPECT_EQ(b.user.heard, all) << "in pieces of " << chunk;
  }
  EXPECT_EQ(b.lower.taken, a.lower.end()) << "the window of the lower stream opens by all of it";
}

TEST_F(RecordStreamTest, a_byte_is_transmitted_with_the_first_of_its_record) {
  send("0123456789abcdefghij");  // two records
  EXPECT_EQ(a.stream.transmitted(), 0u);
  a.lower.transmit(1);
  EXPECT_EQ(a.stream.transmitted(), kSize);
  a.lower.transmit(kWhole - 1);
  EXPECT_EQ(a.stream.transmitted(), kSize) << "nothing of the second record has left";
  a.lower.transmit(1);
  EXPECT_EQ(a.stream.transmitted(), 2 * kSize);
}

TEST_F(RecordStreamTest, a_byte_is_acknowledged_with_the_last_of_its_record) {
  send("0123456789abcdefghij");
  a.lower.transmit();
  a.lower.acknowledge(kWhole - 1);
  EXPECT_EQ(a.stream.acknowledged(), 0u);
  a.lower.acknowledge(kWhole);
  EXPECT_EQ(a.stream.acknowledged(), kSize);
  a.lower.acknowledge(2 * kWhole - 1);
  EXPECT_EQ(a.stream.acknowledged(), kSize);
  a.lower.acknowledge(2 * kWhole);
  EXPECT_EQ(a.stream.acknowledged(), 2 * kSize);
  EXPECT_EQ(a.stream.transmitted(), 2 * kSize);
}

TEST_F(RecordStreamTest, what_is_not_sealed_was_not_transmitted) {
  a.lower.takes = 0;
  send("0123456789");
  EXPECT_EQ(a.lower.end(), 0u);
  EXPECT_EQ(a.stream.transmitted(), 0u);
  EXPECT_EQ(a.stream.output().size(), kSize);
  EXPECT_GT(a.stream.buffers(), 0u);
}

TEST_F(RecordStreamTest, seals_no_more_than_the_lower_stream_takes) {
  a.lower.takes = RecordStream::kOverhead + 4;
  send("0123456789");
  EXPECT_EQ(a.stream.records_sealed(), 1u);
  EXPECT_EQ(a.stream.output().begin(), 4u);
  EXPECT_EQ(a.stream.room(), 0u);
  for (const char* so_far : {"0123", "01234567", "0123456789"}) {
    b.lower.arrive(a.lower.drain(), 5, pool);
    EXPECT_EQ(b.user.heard, so_far);
    a.lower.writable();
  }
  EXPECT_EQ(a.stream.records_sealed(), 3u);
  EXPECT_EQ(a.stream.room(), 4u);
  EXPECT_GT(a.user.writable, 0);
}

TEST_F(RecordStreamTest, bytes_since_the_last_push_may_be_taken_back_and_changed) {
  send("begin");
  uint8_t* space = a.stream.output().append_space(3, pool);
  std::memcpy(space, "old", 3);
  a.lower.writable();  // what was not pushed is not sealed, whatever happens below
  std::memcpy(space, "new", 3);
  append("er");
  a.stream.output().append_space(4, pool);
  a.stream.output().drop_back(4);
  a.stream.push();
  b.lower.arrive(a.lower.drain(), 100, pool);
  EXPECT_EQ(b.user.heard, "beginnewer");
}

TEST_F(RecordStreamTest, the_end_of_a_direction_is_clean_behind_its_last_record) {
  send("bye");
  a.stream.close();
  EXPECT_TRUE(a.lower.closed);
  b.lower.arrive(a.lower.drain(), 1, pool);
  b.lower.end_of_data();
  EXPECT_EQ(b.user.heard, "bye.");
}

TEST_F(RecordStreamTest, close_seals_the_rest_whatever_the_room_so_that_tcp_limits_its_time) {
  a.lower.takes = 0;
  append("bye, in two records");
  a.stream.close();
  EXPECT_TRUE(a.lower.closed);
  b.lower.arrive(a.lower.drain(), 100, pool);
  EXPECT_EQ(b.user.heard, "bye, in two records.");
}

TEST_F(RecordStreamTest, an_end_without_the_last_record_is_truncated_wherever_it_comes) {
  send("0123456789");
  const std::string record = a.lower.drain();
  for (size_t n = 0; n <= record.size(); ++n) {
    End c(pool);
    c.lower.arrive(record.substr(0, n), 100, pool);
    c.lower.end_of_data();
    EXPECT_EQ(c.user.heard, n < record.size() ? "!" : "0123456789!") << n;
  }
}

TEST_F(RecordStreamTest, a_record_that_was_changed_ends_the_stream) {
  send("0123456789");
  const std::string record = a.lower.drain();
  for (size_t i = 2; i < record.size(); ++i) {
    End c(pool);
    std::string changed = record;
    changed[i] ^= 1;
    c.lower.arrive(changed, 100, pool);
    EXPECT_TRUE(c.lower.aborted) << i;
    EXPECT_EQ(c.user.heard, "");
  }
}

TEST_F(RecordStreamTest, a_record_that_comes_twice_ends_the_stream) {
  send("0123456789");
  const std::string record = a.lower.drain();
  b.lower.arrive(record + record, 100, pool);
  EXPECT_TRUE(b.lower.aborted);
  EXPECT_EQ(b.user.heard, "0123456789");
}

}  // namespace
}  // namespace sluice::test
