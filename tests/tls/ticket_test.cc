// Session tickets: who may resume, and what for.

#include "tls/fixture.h"
#include "tls/ticket_keys.h"

namespace sluice::test {
namespace {

class TicketTest : public TlsTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    client.only(GetParam());
    open();
    ASSERT_NE(client.session, nullptr) << "the first handshake brings a ticket";
    ASSERT_EQ(stats.handshakes_full.get(), 1u);
  }
  // Whether a connection with the ticket is resumed.
  bool resumes(const char* name = "a.example") {
    client.renew();
    client.only(GetParam());
    client.name(name);
    client.resume();
    open();
    // OpenSSL's client of TLS 1.2 reports no ticket that a resumed handshake renewed.
    if (GetParam() == TLS1_2_VERSION) client.session.reset(SSL_get1_session(client.ssl()));
    return SSL_session_reused(client.ssl()) == 1;
  }
};

TEST_P(TicketTest, spare_the_next_handshake_its_certificate) {
  EXPECT_TRUE(resumes());
  EXPECT_EQ(stats.handshakes_resumed.get(), 1u);
  EXPECT_EQ(server->alpn(), "h2");
  EXPECT_EQ(server->server_name(), "a.example");
  EXPECT_TRUE(resumes()) << "and the one after it";
}

TEST_P(TicketTest, hold_for_the_server_name_that_they_were_made_for) {
  EXPECT_FALSE(resumes("b.apps.example"));
  EXPECT_EQ(stats.handshakes_full.get(), 2u);
}

TEST_P(TicketTest, hold_for_the_listener_that_they_were_made_at) {
  scope = "another";
  contexts.reset();
  EXPECT_FALSE(resumes());
}

TEST_P(TicketTest, hold_after_a_change_of_certificates) {
  use({"DNS:a.example"});
  EXPECT_TRUE(resumes());
}

TEST_P(TicketTest, hold_as_long_as_their_key_is_known) {
  for (size_t i = 1; i < tls::TicketKeys::kKeys; ++i) ticket_keys.rotate();
  EXPECT_TRUE(resumes());
  EXPECT_TRUE(resumes()) << "that one brought a ticket of the newest key";
  for (size_t i = 0; i < tls::TicketKeys::kKeys; ++i) ticket_keys.rotate();
  EXPECT_FALSE(resumes());
}

TEST_P(TicketTest, of_a_session_end_with_it_however_often_it_was_resumed) {
  constexpr int64_t kHalf =
      std::chrono::duration_cast<std::chrono::seconds>(tls::TicketKeys::kLifetime).count() / 2;
  TlsTest::wall_seconds += kHalf;
  EXPECT_TRUE(resumes());
  TlsTest::wall_seconds += kHalf;
  EXPECT_TRUE(resumes()) << "at the very end";
  ++TlsTest::wall_seconds;
  EXPECT_FALSE(resumes()) << "that ticket is new, but its session is old";
  EXPECT_EQ(stats.handshakes_full.get(), 2u);
  EXPECT_TRUE(resumes()) << "a full handshake begins a new session";
}

TEST_P(TicketTest, are_opened_by_another_process_with_the_same_keys) {
  const tls::TicketKeys::Key key = ticket_keys.newest();
  ticket_keys.rotate();
  const tls::TicketKeys::Key other = ticket_keys.newest();
  const std::array keys{other, key};
  ticket_keys.set(keys);
  EXPECT_TRUE(resumes());
  ticket_keys.set(std::span(keys).first(1));
  EXPECT_TRUE(resumes()) << "its ticket is of the newer key";
  ticket_keys.set(std::span(keys).last(1));
  EXPECT_FALSE(resumes());
}

TEST_P(TicketTest, are_none_without_keys) {
  tls::Context without(wheel, memory, stats, events, nullptr);
  client.renew();
  client.only(GetParam());
  client.session.reset();
  stream.reset();
  lower = std::make_unique<LooseStream>();
  owner = Owner();
  server = without.streams.create(without, transport::StreamPtr(lower.get()), contexts);
  stream.reset(server);
  lower->set_user(*server);
  server->set_user(owner);
  talk();
  EXPECT_TRUE(owner.established);
  EXPECT_TRUE(client.session == nullptr || SSL_SESSION_has_ticket(client.session.get()) == 0);
  stream.reset();
}

INSTANTIATE_TEST_SUITE_P(Versions, TicketTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) {
                           return std::string(info.param == TLS1_2_VERSION ? "1_2" : "1_3");
                         });

TEST(TicketKeysTest, are_known_for_as_many_rotations_as_there_are_keys) {
  tls::TicketKeys keys;
  const auto first = keys.newest();
  EXPECT_TRUE(keys.find(first.name.data())->newest);
  keys.rotate();
  EXPECT_NE(keys.newest().name, first.name);
  ASSERT_TRUE(keys.find(first.name.data()));
  EXPECT_FALSE(keys.find(first.name.data())->newest);
  EXPECT_EQ(keys.find(first.name.data())->key.mac, first.mac);
  keys.rotate();
  EXPECT_TRUE(keys.find(first.name.data()));
  keys.rotate();
  EXPECT_FALSE(keys.find(first.name.data()));
}

TEST(TicketKeysTest, have_no_name_of_zeros) {
  const tls::TicketKeys keys;
  const uint8_t zeros[tls::TicketKeys::kNameSize]{};
  EXPECT_FALSE(keys.find(zeros)) << "the places of keys that are not made yet";
}

}  // namespace
}  // namespace sluice::test
