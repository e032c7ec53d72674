// TLS that ends at the listener: the plain bytes are relayed.

#include "fixture.h"
#include "tls/fixture.h"

namespace sluice::splice {
namespace {

class EndedTls : public SpliceTest {
 protected:
  EndedTls() {
    const test::Issued ca = test::issue("a CA", {}, nullptr, {.ca = true});
    const test::Issued leaf = test::issue("server", {"DNS:a.example", "DNS:*.b.example"}, &ca);
    test::Directory files;
    tls::FileError error;
    std::vector<tls::Credential> credentials;
    credentials.push_back(*tls::read_credential(files.write("a.pem", leaf.pem()),
                                                files.write("a.key", leaf.key_pem()), error));
    config::TlsServer& settings = snapshot.listeners[0].tls;
    settings.certificates.push_back(credentials[0].facts);
    settings.alpn = {"imap", "h2"};
    tls::ServerContexts::Error why;
    settings.contexts = tls::ServerContexts::make(settings, credentials, nullptr, "edge", 1, why);
    snapshot.listeners[0].protocol = config::Protocol::kTls;
    snapshot.services.push_back({.name = "b",
                                 .pods = {{.endpoint = pod_at(2), .slot = 2}},
                                 .connect_timeout = 1s,
                                 .slot = 1});
    snapshot.listeners[0].routes = {{{"*.b.example"}, 1}};
    endpoints({1});
  }

  // Turns in which OpenSSL's client speaks over the connection.
  void talk(Peer& peer, test::Client& client) {
    for (int i = 0; i < 8; ++i) {
      if (const std::string said = client.turn(); !said.empty() && peer.tcp != nullptr)
        peer.say(said);
      run();
      client.hear(std::exchange(peer.heard, {}));
    }
  }
};

TEST_F(EndedTls, plain_bytes_cross_both_ways_and_a_close_notify_is_a_fin) {
  test::Client openssl;
  Peer& c = client();
  talk(c, openssl);
  ASSERT_TRUE(openssl.done);
  ASSERT_EQ(pod(1).peers.size(), 1u);
  c.say(openssl.write("hello"));
  run();
  EXPECT_EQ(pod(1).peer().heard, "hello");
  pod(1).peer().say("welcome");
  talk(c, openssl);
  EXPECT_EQ(openssl.received, "welcome");
  SSL_shutdown(openssl.ssl());
  c.say(openssl.said());
  c.tcp->close();
  run();
  EXPECT_TRUE(pod(1).peer().ended);
  pod(1).peer().say("rest");
  pod(1).peer().tcp->close();
  talk(c, openssl);
  EXPECT_EQ(counters().ended_finished.get(), 1u);
}

TEST_F(EndedTls, the_name_chooses_the_service_and_alpn_has_the_listeners_protocols) {
  test::Client openssl;
  openssl.name("X.b.example");
  openssl.offer("imap");
  Peer& c = client();
  talk(c, openssl);
  ASSERT_TRUE(openssl.done);
  EXPECT_EQ(pod(2).peers.size(), 1u);
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(openssl.ssl(), &chosen, &size);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), size), "imap");
  test::Client other;
  other.offer("http/1.1");
  Peer& d = client();
  talk(d, other);
  EXPECT_FALSE(other.done);
  EXPECT_EQ(other.error, "tlsv1 alert no application protocol") << "the alert arrives";
  EXPECT_EQ(worker->tls.failed_protocol.get(), 1u);
  d.tcp->close();
  run(100ms);
  EXPECT_EQ(counters().refused_handshake.get(), 1u);
  EXPECT_EQ(counters().open.get(), 1u);
}

TEST_F(EndedTls, a_fin_without_close_notify_resets_the_pod_behind_the_bytes) {
  test::Client openssl;
  Peer& c = client();
  talk(c, openssl);
  c.say(openssl.write("half a wor"));
  c.tcp->close();
  run(10ms);
  EXPECT_EQ(pod(1).peer().heard, "half a wor");
  EXPECT_FALSE(pod(1).peer().ended);
  EXPECT_EQ(pod(1).peer().closed, tcp::CloseReason::kReset);
  EXPECT_EQ(counters().ended_truncated.get(), 1u);
}

TEST_F(EndedTls, a_large_answer_crosses_to_a_client_that_reads_slowly) {
  test::Client openssl;
  Peer& c = client();
  talk(c, openssl);
  pod(1).peer().say(std::string(2'000'000, 'x'));
  pod(1).peer().tcp->close();
  for (int i = 0; i < 40 && openssl.received.size() < 2'000'001; ++i) {
    run(10ms);
    talk(c, openssl);
  }
  EXPECT_EQ(openssl.received.size(), 2'000'001u) << "with the dot of close_notify";
}

}  // namespace
}  // namespace sluice::splice
