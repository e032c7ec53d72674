// A server's stream after its handshake: records, positions, ends.

#include "tls/fixture.h"

namespace sluice::test {
namespace {

// A version, and a record layer.
struct Kind {
  const char* name;
  int version;
  bool own_records;
  const char* ciphers = nullptr;  // of TLS 1.3
};

class StreamTest : public TlsTest, public testing::WithParamInterface<Kind> {
 protected:
  void SetUp() override {
    context.own_records = GetParam().own_records;
    client.only(GetParam().version);
    if (GetParam().ciphers != nullptr) SSL_set_ciphersuites(client.ssl(), GetParam().ciphers);
    open();
    if (GetParam().ciphers != nullptr) {
      ASSERT_STREQ(SSL_get_cipher_name(client.ssl()), GetParam().ciphers);
    }
  }
  // A guard's alert, as the client hears it.
  void hears_alert() {
    client.hear(lower->drain());
    client.turn();
    EXPECT_EQ(client.error, "tlsv1 alert internal error");
    EXPECT_EQ(stats.alerts_out.get(), 1u);
  }
  static std::string text(size_t n) {
    std::string s;
    while (s.size() < n) s += std::to_string(s.size()) + " ";
    return s.substr(0, n);
  }
};

TEST_P(StreamTest, passes_bytes_however_they_are_split) {
  std::string up;
  std::string down;
  for (const size_t chunk : {1, 2, 3, 5, 16, 100, 2'000}) {
    to_server(client.write(text(3'000)), chunk);
    up += text(3'000);
    EXPECT_EQ(owner.heard, up) << "in pieces of " << chunk;
    send(text(40'000));
    down += text(40'000);
    talk(chunk);
    EXPECT_TRUE(client.received == down) << "in pieces of " << chunk;
  }
  EXPECT_EQ(lower->taken, lower->received) << "the window below opens by all of it";
}

TEST_P(StreamTest, opens_the_window_below_when_the_user_has_consumed) {
  owner.reads = false;
  to_server(client.write(text(100'000)));
  constexpr uint64_t kRecord = 16'384 + 32;  // its bytes are credited while it is incomplete
  EXPECT_GE(lower->received - lower->taken + kRecord, 100'000u);
  server->consumed(50'000);
  EXPECT_GE(lower->received - lower->taken + kRecord, 50'000u);
  EXPECT_LE(lower->received - lower->taken, 50'000u);
  server->consumed(50'000);
  EXPECT_EQ(lower->received, lower->taken);
}

TEST_P(StreamTest, a_byte_is_transmitted_with_the_first_of_its_record) {
  constexpr uint32_t kSmall = tls::RecordSize::kSmall;
  const uint64_t handshake = lower->end();
  EXPECT_EQ(server->transmitted(), 0u);
  send(text(2'000));  // two records
  EXPECT_EQ(server->transmitted(), 0u);
  lower->transmit(1);
  EXPECT_EQ(server->transmitted(), kSmall);
  lower->transmit(kSmall);
  EXPECT_EQ(server->transmitted(), kSmall) << "nothing of the second record has left";
  lower->transmit(100);
  EXPECT_EQ(server->transmitted(), 2'000u);
  EXPECT_EQ(server->acknowledged(), 0u);
  lower->transmit();
  lower->acknowledge(handshake + kSmall);
  EXPECT_EQ(server->acknowledged(), 0u);
  lower->acknowledge(handshake + kSmall + 40);
  EXPECT_EQ(server->acknowledged(), kSmall);
  lower->acknowledge(lower->end() - 1);
  EXPECT_EQ(server->acknowledged(), kSmall);
  lower->acknowledge(lower->end());
  EXPECT_EQ(server->acknowledged(), 2'000u);
}

TEST_P(StreamTest, seals_no_more_than_the_lower_stream_takes) {
  lower->takes = 1'000;
  send(text(3'000));
  EXPECT_LE(lower->end() - lower->left, 1'000u);
  EXPECT_GT(server->output().size(), 1'900u);
  EXPECT_EQ(server->room(), 0u);
  EXPECT_GT(server->buffers(), 0u);
  for (int i = 0; i < 5; ++i) {
    client.hear(lower->drain());
    client.turn();
    lower->writable();
  }
  EXPECT_EQ(client.received, text(3'000));
  EXPECT_EQ(server->output().size(), 0u);
  EXPECT_GT(server->room(), 0u);
  EXPECT_GT(owner.writable, 0);
}

TEST_P(StreamTest, bytes_since_the_last_push_may_be_taken_back_and_changed) {
  send("begin");
  uint8_t* space = server->output().append_space(3, pool);
  std::memcpy(space, "old", 3);
  lower->writable();  // bytes that were not pushed are not sealed, whatever happens below
  std::memcpy(space, "new", 3);
  append("er");
  server->output().append_space(4, pool);
  server->output().drop_back(4);
  server->push();
  talk();
  EXPECT_EQ(client.received, "beginnewer");
}

TEST_P(StreamTest, close_seals_the_rest_and_close_notify_whatever_the_room) {
  lower->takes = 0;
  append(text(20'000));
  server->close();
  EXPECT_TRUE(lower->closed);
  talk();
  EXPECT_EQ(client.received, text(20'000) + ".");
}

TEST_P(StreamTest, goes_on_receiving_behind_its_own_end) {
  server->close();
  to_server(client.write("still here"));
  EXPECT_EQ(owner.heard, "still here");
  EXPECT_TRUE(lower->drain().size() > 0) << "close_notify";
  const uint64_t end = lower->end();
  if (GetParam().version == TLS1_3_VERSION) {
    SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
    to_server(client.write("more"));
  }
  EXPECT_EQ(lower->end(), end) << "nothing is appended behind a FIN";
}

TEST_P(StreamTest, the_peers_end_is_clean_behind_close_notify) {
  const std::string last = client.write("bye");
  SSL_shutdown(client.ssl());
  to_server(last + client.said(), 1);
  EXPECT_EQ(owner.heard, "bye.");
  lower->end_of_data();
  EXPECT_EQ(owner.heard, "bye.") << "the FIN is no second end";
  EXPECT_EQ(stats.truncated.get(), 0u);
  send("answer");
  talk();
  EXPECT_EQ(client.received, "answer") << "the other direction is still open";
}

TEST_P(StreamTest, an_end_without_close_notify_is_truncated) {
  to_server(client.write("bye"));
  lower->end_of_data();
  EXPECT_EQ(owner.heard, "bye!");
  EXPECT_EQ(stats.truncated.get(), 1u);
}

TEST_P(StreamTest, an_end_within_a_record_is_truncated) {
  const std::string record = client.write("bye");
  to_server(record.substr(0, record.size() - 1));
  lower->end_of_data();
  EXPECT_EQ(owner.heard, "!");
}

TEST_P(StreamTest, a_record_that_was_changed_ends_the_stream_with_an_alert) {
  std::string record = client.write("hello");
  record[record.size() - 3] ^= 1;
  to_server(record);
  EXPECT_EQ(owner.heard, "!");
  EXPECT_TRUE(lower->closed);
  EXPECT_EQ(stats.broken.get(), 1u);
  talk();
  EXPECT_EQ(client.error, "sslv3 alert bad record mac");
}

TEST_P(StreamTest, a_record_that_comes_twice_ends_the_stream) {
  const std::string record = client.write("hello");
  to_server(record + record);
  EXPECT_EQ(owner.heard, "hello!");
  EXPECT_TRUE(lower->closed);
}

TEST_P(StreamTest, a_failed_stream_discards_a_bounded_number_of_bytes) {
  to_server("garbage");
  ASSERT_TRUE(lower->closed);
  for (int i = 0; i < 400 && !lower->aborted; ++i) to_server(std::string(1'000, 'x'));
  EXPECT_TRUE(lower->aborted);
  EXPECT_LT(lower->received, 300'000u);
}

TEST_P(StreamTest, without_packet_memory_waits_and_goes_on) {
  std::vector<buf::Slice> hoard;
  append(text(1'000));
  while (pool.available() > 2) hoard.push_back(pool.alloc());
  server->push();
  EXPECT_EQ(server->transmitted(), 0u);
  EXPECT_EQ(server->output().size(), 1'000u) << "no record without a place for it";
  hoard.clear();
  wheel.advance(Time{} + 10ms);
  talk();
  EXPECT_EQ(client.received, text(1'000));
}

TEST_P(StreamTest, tells_its_user_of_the_buffers_of_an_incomplete_record) {
  const bool own = GetParam().own_records && GetParam().version == TLS1_3_VERSION;
  if (!own) GTEST_SKIP() << "OpenSSL keeps the record in its own memory";
  const std::string record = client.write(text(16'384));
  to_server(record.substr(0, 16'000), 1'448);
  EXPECT_EQ(owner.heard, "");
  EXPECT_GT(owner.gaps, 0);
  EXPECT_GE(owner.charged, 8u) << "of 2,048 bytes";
  to_server(record.substr(16'000), 1'448);
  EXPECT_EQ(owner.heard, text(16'384));
}

TEST_P(StreamTest, an_abort_is_one_below) {
  send("never heard");
  server->abort();
  EXPECT_TRUE(lower->aborted);
  lower->end(CloseReason::kAborted);
  EXPECT_EQ(owner.closed, CloseReason::kAborted);
}

TEST_P(StreamTest, counts_records_and_alerts) {
  const uint64_t in = stats.records_in.get();
  const uint64_t out = stats.records_out.get();
  to_server(client.write("one"));
  to_server(client.write("two"));
  send(text(2'000));  // two records
  server->close();
  EXPECT_EQ(stats.records_in.get() - in, 2u);
  EXPECT_EQ(stats.records_out.get() - out, 3u);
  EXPECT_EQ(stats.alerts_out.get(), 1u);
}

TEST_P(StreamTest, records_are_small_until_a_burst_has_lasted) {
  send(text(tls::RecordSize::kBurst));
  const uint64_t out = stats.records_out.get();
  EXPECT_GT(out, tls::RecordSize::kBurst / tls::RecordSize::kSmall);
  send(text(2 * tls::Records::kMaxPlain));
  EXPECT_EQ(stats.records_out.get() - out, 2u);
  talk();
  EXPECT_TRUE(client.received == text(tls::RecordSize::kBurst) + text(2 * tls::Records::kMaxPlain));
}

TEST_P(StreamTest, never_negotiates_again) {
  if (GetParam().version != TLS1_2_VERSION) GTEST_SKIP() << "TLS 1.3 has no renegotiation";
  SSL_set_options(client.ssl(), SSL_OP_LEGACY_SERVER_CONNECT);
  ASSERT_EQ(SSL_renegotiate(client.ssl()), 1);
  SSL_do_handshake(client.ssl());
  to_server(client.said());
  const std::string back = lower->drain();
  EXPECT_FALSE(back.empty()) << "an alert";
  EXPECT_TRUE(lower->closed);
  EXPECT_EQ(owner.heard, "!");
  EXPECT_EQ(stats.guard_renegotiation.get(), 1u);
  EXPECT_STREQ(events.pop()->guard, "renegotiation");
  EXPECT_EQ(stats.alerts_out.get(), 2u) << "the warning no_renegotiation, and internal_error";
}

TEST_P(StreamTest, answers_key_updates_up_to_a_limit) {
  if (GetParam().version != TLS1_3_VERSION) GTEST_SKIP() << "TLS 1.2 has no KeyUpdate";
  context.guards.key_updates = {3, 1};
  const auto update = [&] {
    SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
    to_server(client.write("x"));
    talk();
  };
  for (int i = 0; i < 3; ++i) update();
  EXPECT_EQ(owner.heard, "xxx");
  send("answer");
  talk();
  EXPECT_EQ(client.received, "answer") << "with new keys in both directions";
  context.now = Time{} + 1s;
  update();
  EXPECT_EQ(owner.heard, "xxxx") << "one more a second";
  update();
  EXPECT_EQ(owner.heard, "xxxx!");
  EXPECT_EQ(stats.guard_key_updates.get(), 1u);
  EXPECT_STREQ(events.pop()->guard, "key_updates");
  hears_alert();
}

TEST_P(StreamTest, takes_tiny_records_up_to_a_limit) {
  context.guards.tiny_records = {100, 10};
  for (int i = 0; i < 100; ++i) to_server(client.write("12345678"));
  for (int i = 0; i < 100; ++i) to_server(client.write("123456789"));
  EXPECT_EQ(owner.heard.size(), 1'700u);
  to_server(client.write("x"));
  EXPECT_EQ(owner.heard.back(), '!');
  EXPECT_EQ(stats.guard_tiny_records.get(), 1u);
  EXPECT_STREQ(events.pop()->guard, "tiny_records");
  hears_alert();
}

INSTANTIATE_TEST_SUITE_P(
    Layers, StreamTest,
    testing::Values(Kind{"1_2", TLS1_2_VERSION, true}, Kind{"1_3_openssl", TLS1_3_VERSION, false},
                    Kind{"1_3_aes_128", TLS1_3_VERSION, true, "TLS_AES_128_GCM_SHA256"},
                    Kind{"1_3_aes_256", TLS1_3_VERSION, true, "TLS_AES_256_GCM_SHA384"},
                    Kind{"1_3_chacha20", TLS1_3_VERSION, true, "TLS_CHACHA20_POLY1305_SHA256"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sluice::test
