#pragma once
// A tls::Stream as server over a stream that the test plays, and OpenSSL's own client at the other
// end of it.

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include <openssl/err.h>

#include "support/loose_stream.h"
#include "tls/certificates.h"
#include "tls/context.h"
#include "tls/server_contexts.h"
#include "tls/stream.h"

namespace sluice::test {

using transport::CloseReason;

// The alert internal_error, as before a handshake.
inline constexpr std::string_view kPlainAlert("\x15\x03\x03\x00\x02\x02\x50", 7);

// The owner of the stream.
struct Owner final : transport::User {
  void on_answer(transport::Stream&) override { ++answers; }
  void on_established(transport::Stream&) override { established = true; }
  void on_data(transport::Stream& s, buf::Slice data) override {
    heard.append(reinterpret_cast<const char*>(data.data()), data.size());
    if (reads) s.consumed(data.size());
  }
  void on_gap(transport::Stream& s) override {
    ++gaps;
    charged = s.buffers();
  }
  void on_end_of_data(transport::Stream&, transport::End end) override {
    heard += end == transport::End::kClean ? "." : "!";
  }
  void on_writable(transport::Stream&) override { ++writable; }
  void on_closed(transport::Stream&, CloseReason reason) override { closed = reason; }

  bool reads = true;
  bool established = false;
  std::string heard;  // "." and "!": a clean and a truncated end
  std::optional<CloseReason> closed;
  int answers = 0;  // of TCP, before a handshake
  int writable = 0;
  int gaps = 0;
  uint32_t charged = 0;  // buffers at the last gap
};

// OpenSSL's client over memory.
class Client {
 public:
  Client() : ctx_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_session_cache_mode(ctx_.get(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(ctx_.get(), [](SSL* ssl, SSL_SESSION* session) {
      auto& self = *static_cast<Client*>(SSL_get_app_data(ssl));
      self.session.reset(session);
      return 1;
    });
    SSL_CTX_set_keylog_callback(ctx_.get(), [](const SSL* ssl, const char* line) {
      auto& self = *static_cast<Client*>(SSL_get_app_data(ssl));
      const std::string_view text(line);
      if (!text.starts_with("CLIENT_TRAFFIC_SECRET_0 ")) return;
      const std::string hex(text.substr(text.rfind(' ') + 1));
      self.traffic_secret.clear();
      for (size_t i = 0; i + 1 < hex.size(); i += 2)
        self.traffic_secret += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    });
    renew();
  }
  // A new connection with the same settings, and no session unless resume() follows.
  void renew() {
    // OpenSSL forgets the session of a connection that was not shut down.
    if (ssl_ != nullptr) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    ssl_.reset(SSL_new(ctx_.get()));
    SSL_set_app_data(ssl_.get(), this);
    SSL_set0_rbio(ssl_.get(), BIO_new(BIO_s_mem()));
    SSL_set0_wbio(ssl_.get(), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
    offer("h2");
    name("a.example");
    received.clear();
    error.clear();
    done = false;
  }
  SSL* ssl() { return ssl_.get(); }
  void offer(std::string_view protocol) {
    const std::string list = static_cast<char>(protocol.size()) + std::string(protocol);
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(list.data()),
                        protocol.empty() ? 0 : static_cast<unsigned>(list.size()));
  }
  void name(const char* n) { SSL_set_tlsext_host_name(ssl_.get(), n); }
  void only(int version) {
    SSL_set_min_proto_version(ssl_.get(), version);
    SSL_set_max_proto_version(ssl_.get(), version);
  }
  void resume() { SSL_set_session(ssl_.get(), session.get()); }

  void hear(std::string_view bytes) {
    BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
  }
  // Goes on with handshake and reading. Returns the bytes for the server.
  std::string turn() {
    if (!done && error.empty()) {
      const int r = SSL_do_handshake(ssl_.get());
      done = r == 1;
      note(r);
    }
    if (done) {
      char buffer[20'000];
      int r = 0;
      while ((r = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0)
        received.append(buffer, static_cast<size_t>(r));
      if (SSL_get_error(ssl_.get(), r) == SSL_ERROR_ZERO_RETURN && !ended) {
        ended = true;
        received += ".";
      }
      note(r);
    }
    return said();
  }
  std::string said() {
    char* data = nullptr;
    BIO* out = SSL_get_wbio(ssl_.get());
    const long n = BIO_get_mem_data(out, &data);
    std::string bytes(data, static_cast<size_t>(n));
    BIO_reset(out);
    return bytes;
  }
  std::string write(std::string_view bytes) {
    SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    return said();
  }
  // "" for a server without a certificate.
  std::string server_subject() const {
    const X509* x = SSL_get0_peer_certificate(ssl_.get());
    if (x == nullptr) return {};
    char text[200];
    X509_NAME_oneline(X509_get_subject_name(x), text, sizeof text);
    return text;
  }

  struct FreeSession {
    void operator()(SSL_SESSION* s) const { SSL_SESSION_free(s); }
  };
  std::unique_ptr<SSL_SESSION, FreeSession> session;  // the newest ticket
  std::string received;                               // "." for a close_notify
  std::string error;                                  // the first reason that OpenSSL gave
  std::string traffic_secret;                         // the client's first one, of TLS 1.3
  bool done = false;
  bool ended = false;

 private:
  void note(int result) {
    if (result <= 0 && SSL_get_error(ssl_.get(), result) == SSL_ERROR_SSL && error.empty())
      error = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
  }

  tls::CtxPtr ctx_;
  tls::SslPtr ssl_;
};

class TlsTest : public testing::Test {
 protected:
  TlsTest() { use({"DNS:a.example", "DNS:*.apps.example"}); }
  ~TlsTest() override {
    server = nullptr;
    stream.reset();
    lower.reset();
    EXPECT_EQ(rte_mempool_in_use_count(mempool.get()), 0u) << "buffers leaked";
    EXPECT_EQ(stats.handshaking.get(), 0u);
  }

  // One certificate for all tests of a case.
  void use(const std::vector<std::string>& names, const Wishes& wishes = {}) {
    credentials.clear();
    settings.certificates.clear();
    add("server", names, wishes);
  }
  void add(const std::string& subject, const std::vector<std::string>& names,
           const Wishes& wishes = {}) {
    const Issued issued = issue(subject, names, &ca, wishes);
    tls::FileError error;
    auto c = tls::read_credential(files.write(subject + ".pem", issued.pem()),
                                  files.write(subject + ".key", issued.key_pem()), error);
    ASSERT_TRUE(c.has_value()) << error.text;
    settings.certificates.push_back(c->facts);
    credentials.push_back(std::move(*c));
    contexts.reset();
  }
  // A new connection from TCP.
  void accept() {
    if (contexts == nullptr) {
      tls::ServerContexts::Error error;
      contexts = tls::ServerContexts::make(
          settings, credentials, authorities ? &*authorities : nullptr, scope, lanes, error);
      ASSERT_NE(contexts, nullptr) << error.text;
    }
    stream.reset();
    lower = std::make_unique<LooseStream>();
    owner = Owner();
    server = context.streams.create(context, transport::StreamPtr(lower.get()), contexts);
    stream.reset(server);
    lower->set_user(*server);
    server->set_user(owner);
  }
  void to_server(std::string_view bytes, size_t chunk = 1'000) {
    if (!bytes.empty()) lower->arrive(bytes, chunk, pool);
    EXPECT_EQ(ERR_peek_error(), 0u) << "the queue of errors is clean";
  }
  // Until nobody has anything more to say. chunk: bytes that arrive at a time.
  void talk(size_t chunk = 1'000) {
    for (;;) {
      const std::string there = client.turn();
      to_server(there, chunk);
      const std::string back = lower->drain();
      if (there.empty() && back.empty()) return;
      for (std::string_view rest = back; !rest.empty();
           rest.remove_prefix(std::min(chunk, rest.size()))) {
        client.hear(rest.substr(0, chunk));
        to_server(client.turn(), chunk);
      }
    }
  }
  void open(size_t chunk = 1'000) {
    accept();
    talk(chunk);
    ASSERT_TRUE(owner.established);
    ASSERT_TRUE(client.done) << client.error;
  }
  void append(std::string_view bytes) {
    ASSERT_TRUE(server->output().append_copy(
        {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, pool));
  }
  void send(std::string_view bytes) {
    append(bytes);
    server->push();
  }

  struct FreePool {
    void operator()(rte_mempool* p) const { buf::free_pool(p); }
  };
  const std::unique_ptr<rte_mempool, FreePool> mempool{
      buf::make_pool("tls", 1023, 2176, SOCKET_ID_ANY)};
  buf::Pool pool{mempool.get()};
  TimerWheel wheel{Time{}};
  buf::Memory memory{pool, pool, 0, 64};
  stats::Tls stats;
  static inline int64_t wall_seconds = 1'000'000;
  tls::TicketKeys ticket_keys{[] { return wall_seconds; }};
  stats::Events events;
  tls::Context context{wheel, memory, stats, events, &ticket_keys};
  Directory files;
  const Issued ca = issue("a CA", {}, nullptr, {.ca = true});
  std::vector<tls::Credential> credentials;
  config::TlsServer settings;
  std::optional<tls::Authorities> authorities;  // of clients
  std::string scope = "listener";
  size_t lanes = 1;
  std::shared_ptr<const tls::ServerContexts> contexts;
  Client client;
  Owner owner;
  std::unique_ptr<LooseStream> lower;
  transport::StreamPtr stream;
  tls::Stream* server = nullptr;
};

}  // namespace sluice::test
