// The handshake of a server: versions, protocols, names, certificates, and what goes wrong.

#include "tls/fixture.h"

namespace sluice::test {
namespace {

class HandshakeTest : public TlsTest {
 protected:
  // The handshake fails, and only its own connection ends.
  void expect_refused(const char* reason_at_client) {
    talk();
    EXPECT_FALSE(owner.established);
    EXPECT_FALSE(client.done);
    EXPECT_EQ(client.error, reason_at_client);
    EXPECT_EQ(owner.heard, "!");
    EXPECT_TRUE(lower->closed) << "FIN behind the alert";
    EXPECT_FALSE(lower->aborted) << "a reset could take the alert away";
  }
};

TEST_F(HandshakeTest, may_arrive_in_pieces_of_any_size) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const size_t chunk : {1, 2, 3, 5, 7, 100, 2'000}) {
      client.renew();
      client.only(version);
      open(chunk);
      EXPECT_EQ(SSL_version(client.ssl()), version);
      EXPECT_EQ(server->alpn(), "h2");
      EXPECT_EQ(server->server_name(), "a.example");
      EXPECT_EQ(lower->taken, lower->received) << "the window below opens by all of it";
    }
  }
  EXPECT_EQ(stats.handshakes_full.get(), 14u);
  EXPECT_EQ(stats.failed_other.get(), 0u);
}

TEST_F(HandshakeTest, takes_a_hello_with_large_key_shares) {
  SSL_set_tlsext_host_name(client.ssl(), ("a.apps.example"));
  SSL_set1_groups_list(client.ssl(), "X25519:P-256");
  // As large as a ClientHello with X25519MLKEM768: padded by many protocols.
  std::string list = "\x02h2";
  while (list.size() < 1'500) list += static_cast<char>(200) + std::string(200, 'x');
  SSL_set_alpn_protos(client.ssl(), reinterpret_cast<const unsigned char*>(list.data()),
                      static_cast<unsigned>(list.size()));
  accept();
  const std::string hello = client.turn();
  ASSERT_GT(hello.size(), 1'700u);
  to_server(hello.substr(0, 1'400));
  to_server(hello.substr(1'400));
  client.hear(lower->drain());
  talk();
  EXPECT_TRUE(owner.established);
}

TEST_F(HandshakeTest, takes_a_second_hello_after_a_retry_request) {
  SSL_set1_groups_list(client.ssl(), "P-521:P-256");  // the first one is guessed, and is not ours
  open();
  EXPECT_EQ(server->server_name(), "a.example");
}

TEST_F(HandshakeTest, prefers_http_2_and_takes_http_1_1_alone) {
  client.offer("http/1.1");
  open();
  EXPECT_EQ(server->alpn(), "http/1.1");
  client.renew();
  const std::string both = std::string("\x08http/1.1") + "\x02h2";
  SSL_set_alpn_protos(client.ssl(), reinterpret_cast<const unsigned char*>(both.data()),
                      static_cast<unsigned>(both.size()));
  open();
  EXPECT_EQ(server->alpn(), "h2");
}

TEST_F(HandshakeTest, takes_http_1_0_alone) {
  client.offer("http/1.0");
  open();
  EXPECT_EQ(server->alpn(), "http/1.0");
}

TEST_F(HandshakeTest, without_alpn_means_http_1_1) {
  client.offer("");
  open();
  EXPECT_EQ(server->alpn(), "http/1.1");
  EXPECT_EQ(stats.failed_protocol.get(), 0u);
}

TEST_F(HandshakeTest, without_a_protocol_of_ours_is_refused) {
  client.offer("http/0.9");
  accept();
  expect_refused("tlsv1 alert no application protocol");
  EXPECT_EQ(stats.failed_protocol.get(), 1u);
}

TEST_F(HandshakeTest, below_tls_1_2_is_refused) {
  SSL_set_security_level(client.ssl(), 0);
  SSL_set_cipher_list(client.ssl(), "ALL:@SECLEVEL=0");
  client.only(TLS1_1_VERSION);
  accept();
  expect_refused("tlsv1 alert protocol version");
  EXPECT_EQ(stats.failed_version.get(), 1u);
}

TEST_F(HandshakeTest, below_tls_1_3_is_refused_by_the_modern_profile) {
  settings.profile = config::TlsProfile::kModern;
  client.only(TLS1_2_VERSION);
  accept();
  expect_refused("tlsv1 alert protocol version");
  client.renew();
  open();
}

TEST_F(HandshakeTest, without_a_common_cipher_is_refused) {
  client.only(TLS1_2_VERSION);
  SSL_set_cipher_list(client.ssl(), "ECDHE-ECDSA-AES128-SHA256");  // CBC
  accept();
  expect_refused("sslv3 alert handshake failure");
  EXPECT_EQ(stats.failed_cipher.get(), 1u);
}

TEST_F(HandshakeTest, chooses_the_certificate_by_name) {
  use({"DNS:a.example"});
  add("exact", {"DNS:b.apps.example"});
  add("wildcard", {"DNS:*.apps.example"});
  const auto subject = [&](const char* name) {
    client.renew();
    client.name(name);
    open();
    return client.server_subject();
  };
  EXPECT_EQ(subject("a.example"), "/CN=server");
  EXPECT_EQ(subject("b.apps.example"), "/CN=exact");
  EXPECT_EQ(subject("B.Apps.Example"), "/CN=exact");
  EXPECT_EQ(subject("c.apps.example"), "/CN=wildcard");
  EXPECT_EQ(subject("apps.example"), "/CN=server") << "a wildcard covers one label";
  EXPECT_EQ(subject("d.c.apps.example"), "/CN=server");
  EXPECT_EQ(subject("unknown.example"), "/CN=server");
  EXPECT_EQ(subject(nullptr), "/CN=server");
}

TEST_F(HandshakeTest, for_an_unknown_name_is_refused_when_the_listener_says_so) {
  settings.unknown_name = config::UnknownName::kRefuse;
  client.name("unknown.example");
  accept();
  expect_refused("tlsv1 unrecognized name");
  EXPECT_EQ(stats.failed_name.get(), 1u);
  client.renew();
  client.name(nullptr);  // no name is no unknown name
  open();
}

TEST_F(HandshakeTest, prefers_ecdsa_and_has_rsa_for_the_others) {
  use({"DNS:a.example"}, {.kind = KeyKind::kRsa});
  add("ecdsa", {"DNS:a.example"});
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client.renew();
    client.only(version);
    open();
    EXPECT_EQ(client.server_subject(), "/CN=ecdsa");
    client.renew();
    client.only(version);
    SSL_set1_sigalgs_list(client.ssl(), "rsa_pss_rsae_sha256");
    open();
    EXPECT_EQ(client.server_subject(), "/CN=server");
  }
}

TEST_F(HandshakeTest, has_the_default_for_all_names_of_the_first_certificate) {
  using Authority = transport::Stream::Authority;
  use({"DNS:a.example", "DNS:b.example"});
  add("rsa", {"DNS:B.example", "DNS:c.example", "DNS:a.example"}, {.kind = KeyKind::kRsa});
  client.name(nullptr);
  SSL_set1_sigalgs_list(client.ssl(), "rsa_pss_rsae_sha256");
  open();
  EXPECT_EQ(client.server_subject(), "/CN=rsa") << "names in another order, and one more";
  const auto authority = [&](const char* host) { return server->authority_for(host); };
  for (const char* host : {"a.example", "b.example", "unknown.example"})
    EXPECT_EQ(authority(host), Authority::kThis) << host;
  EXPECT_EQ(authority("c.example"), Authority::kAnother);
  // An RSA certificate with fewer names is no default. Its name is one of the default all the same.
  use({"DNS:a.example", "DNS:b.example"});
  add("rsa", {"DNS:b.example"}, {.kind = KeyKind::kRsa});
  client.renew();
  client.name(nullptr);
  open();
  EXPECT_EQ(client.server_subject(), "/CN=server");
  for (const char* host : {"a.example", "b.example", "unknown.example"})
    EXPECT_EQ(authority(host), Authority::kThis) << host;
}

TEST_F(HandshakeTest, has_the_wildcard_certificate_for_kinds_of_keys_that_the_exact_name_lacks) {
  use({"DNS:a.apps.example"});
  add("wildcard", {"DNS:*.apps.example"}, {.kind = KeyKind::kRsa});
  for (const bool rsa : {false, true}) {
    client.renew();
    client.name("a.apps.example");
    if (rsa) SSL_set1_sigalgs_list(client.ssl(), "rsa_pss_rsae_sha256");
    open();
    EXPECT_EQ(client.server_subject(), rsa ? "/CN=wildcard" : "/CN=server");
  }
}

TEST_F(HandshakeTest, has_to_end_in_time) {
  accept();
  to_server(client.turn().substr(0, 100));
  wheel.advance(Time{} + 9s);
  EXPECT_FALSE(lower->closed);
  wheel.advance(Time{} + 11s);
  EXPECT_TRUE(lower->closed);
  EXPECT_EQ(owner.heard, "!");
  EXPECT_STREQ(events.pop()->guard, "handshake_timeout");
  EXPECT_EQ(lower->drain(), kPlainAlert);
  EXPECT_EQ(stats.alerts_out.get(), 1u);
  EXPECT_EQ(stats.failed_timeout.get(), 1u);
}

TEST_F(HandshakeTest, that_a_guard_ends_behind_the_servers_flight_gets_the_alert_too) {
  uint64_t alerts = 0;
  const auto stop = [&](const char* what) {
    accept();
    to_server(client.turn());
    client.hear(lower->drain());
    if (client.turn().empty()) {
      ADD_FAILURE() << "the client has nothing to say to " << what;
    }
    wheel.advance(context.now += 11s);
    EXPECT_TRUE(lower->closed) << what;
    EXPECT_EQ(owner.heard, "!") << what;
    client.hear(lower->drain());
    client.turn();
    EXPECT_EQ(client.error, "tlsv1 alert internal error") << what;
    EXPECT_EQ(stats.alerts_out.get(), ++alerts) << what;
    EXPECT_EQ(ERR_peek_error(), 0u);
  };
  client.only(TLS1_3_VERSION);
  stop("TLS 1.3");
  client.renew();
  client.only(TLS1_3_VERSION);
  SSL_set1_groups_list(client.ssl(), "P-521:X25519");
  stop("a request for another group");
  client.renew();
  client.only(TLS1_2_VERSION);
  stop("TLS 1.2");
  client.renew();
  client.only(TLS1_2_VERSION);
  open();
  client.renew();
  client.only(TLS1_2_VERSION);
  client.resume();
  stop("TLS 1.2, resumed: the server's keys are in use");
}

TEST_F(HandshakeTest, that_its_own_user_ends_gets_an_alert) {
  accept();
  server->close();
  EXPECT_TRUE(lower->closed);
  EXPECT_EQ(lower->drain(), kPlainAlert);
}

TEST_F(HandshakeTest, leaves_no_timer_behind) {
  open();
  wheel.advance(Time{} + 1h);
  EXPECT_FALSE(lower->closed);
}

TEST_F(HandshakeTest, has_a_limit_of_bytes) {
  context.guards.handshake_size = 4'096;
  accept();
  // A ClientHello that promises 65,536 bytes, in records of one byte.
  const std::string record("\x16\x03\x01\x00\x01", 5);
  for (const char c : std::string("\x01\x01\x00\x00\x03\x03", 6)) to_server(record + c);
  int more = 0;
  for (; more < 1'000 && !lower->closed; ++more) to_server(record + 'x');
  EXPECT_TRUE(lower->closed);
  EXPECT_LT(more, 700);
  EXPECT_EQ(owner.heard, "!");
  EXPECT_EQ(stats.failed_size.get(), 1u);
  EXPECT_STREQ(events.pop()->guard, "handshake_size");
  EXPECT_EQ(lower->drain(), kPlainAlert);
}

TEST_F(HandshakeTest, has_a_limit_of_records) {
  context.guards.handshake_records = 100;
  accept();
  const std::string record("\x16\x03\x01\x00\x01", 5);
  for (const char c : std::string("\x01\x01\x00\x00\x03\x03", 6)) to_server(record + c);
  for (int more = 6; more < 100; ++more) to_server(record + 'x');
  EXPECT_FALSE(lower->closed);
  to_server(record + 'x');
  EXPECT_TRUE(lower->closed);
  EXPECT_EQ(owner.heard, "!");
  EXPECT_EQ(stats.guard_handshake_records.get(), 1u);
  EXPECT_STREQ(events.pop()->guard, "handshake_records");
}

TEST_F(HandshakeTest, is_not_for_http_in_the_clear) {
  accept();
  to_server("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  EXPECT_TRUE(lower->closed);
  EXPECT_EQ(stats.failed_other.get(), 1u);
}

TEST_F(HandshakeTest, ends_with_its_connection) {
  accept();
  to_server(client.turn().substr(0, 100));
  lower->end_of_data();
  EXPECT_EQ(owner.heard, "!");
  EXPECT_EQ(stats.failed_closed.get(), 1u);
  lower->end(CloseReason::kReset);
  EXPECT_EQ(owner.closed, CloseReason::kReset);
  EXPECT_EQ(stats.failed_closed.get(), 1u);
}

TEST_F(HandshakeTest, that_the_client_refuses_is_counted_as_its_alert) {
  SSL_set_verify(client.ssl(), SSL_VERIFY_PEER, nullptr);  // without the CA
  accept();
  talk();
  EXPECT_EQ(client.error, "certificate verify failed");
  EXPECT_EQ(owner.heard, "!");
  EXPECT_EQ(stats.failed_alert.get(), 1u);
  EXPECT_EQ(stats.alerts_in.get(), 1u);
}

TEST_F(HandshakeTest, decides_which_hosts_its_connection_may_serve) {
  using Authority = transport::Stream::Authority;
  use({"DNS:a.example"});
  add("other", {"DNS:b.example", "DNS:*.apps.example"});
  const auto authority = [&](const char* host) { return server->authority_for(host); };
  open();
  EXPECT_EQ(authority("a.example"), Authority::kThis);
  EXPECT_EQ(authority("A.Example."), Authority::kThis);
  EXPECT_EQ(authority("unknown.example"), Authority::kThis) << "the default is its certificate";
  EXPECT_EQ(authority("192.0.2.1"), Authority::kThis);
  EXPECT_EQ(authority("b.example"), Authority::kAnother);
  EXPECT_EQ(authority("x.apps.example"), Authority::kAnother);
  settings.unknown_name = config::UnknownName::kRefuse;
  contexts.reset();
  client.renew();
  client.name("b.example");
  open();
  EXPECT_EQ(authority("x.apps.example"), Authority::kThis);
  EXPECT_EQ(authority("a.example"), Authority::kAnother);
  EXPECT_EQ(authority("unknown.example"), Authority::kNone);
}

TEST_F(HandshakeTest, survives_any_changed_byte_of_a_hello) {
  const std::string hello = client.turn();
  for (size_t i = 0; i < hello.size(); ++i) {
    accept();
    std::string changed = hello;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    to_server(changed);
    lower->end_of_data();
    EXPECT_FALSE(owner.established) << i;
  }
}

TEST_F(HandshakeTest, of_a_client_with_the_old_contexts_goes_on_after_a_change) {
  accept();
  to_server(client.turn());
  contexts.reset();  // the snapshot is gone
  client.hear(lower->drain());
  talk();
  EXPECT_TRUE(owner.established);
}

}  // namespace
}  // namespace sluice::test
