#pragma once
// TLS of clients and pods: OpenSSL over memory. All keys are Ed25519's, whose signatures have one
// size, and OpenSSL's random numbers come from the seed: so a seed makes packets of the same sizes
// each time.

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/random.h"
#include "tls/authorities.h"
#include "tls/certificates.h"
#include "tls/client_context.h"
#include "tls/credential.h"
#include "tls/forwarded_certificate.h"
#include "tls/server_contexts.h"

namespace sluice::sim {

// OpenSSL's random numbers, of this process, come from here. The world sets it to its seed.
inline Random& randoms_of_openssl() {
  static Random random(1);
  return random;
}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
inline void use_randoms_of_the_seed() {
  static constexpr auto kBytes = [](unsigned char* to, int n) {
    for (int i = 0; i < n; ++i) to[i] = static_cast<unsigned char>(randoms_of_openssl().next());
    return 1;
  };
  static const RAND_METHOD kMethod{
      nullptr, kBytes, nullptr, nullptr, kBytes, [] { return 1; },
  };
  RAND_set_rand_method(&kMethod);
}
#pragma GCC diagnostic pop

// The certificate that a client shows when it is asked for one.
enum class Shows : uint8_t { kNone, kRight, kWrong };

using CertificateRule = config::ClientCertificates::Mode;

// The certificates of a process's worlds, and what is made of them.
class Identities {
 public:
  static const Identities& get() {
    static const Identities all;
    return all;
  }
  // Of the appliance's listener.
  const config::TlsServer& listener(CertificateRule rule) const {
    return listener_[static_cast<size_t>(rule)];
  }
  // Of the appliance toward pods that speak this protocol of ALPN. It has a certificate of its own
  // for pods that ask.
  const std::shared_ptr<const tls::ClientContext>& toward(bool http1) const {
    return toward_[http1 ? 1 : 0];
  }
  SSL_CTX* client(Shows certificate) const {
    return client_[static_cast<size_t>(certificate)].get();
  }
  // The field that pods get of a client with the right certificate.
  const std::string& told() const { return told_; }
  // asks: for the appliance's certificate, and takes no connection without one.
  SSL_CTX* pod(bool asks) const { return pod_[asks ? 1 : 0].get(); }

 private:
  // Of the helper threads and of the worker.
  static constexpr size_t kLanes = 4;

  Identities() {
    use_randoms_of_the_seed();
    const test::Wishes ed25519{.kind = test::KeyKind::kEd25519};
    const test::Issued ca =
        test::issue("a CA", {}, nullptr, {.kind = test::KeyKind::kEd25519, .ca = true});
    const test::Issued server = test::issue("server", {"DNS:echo"}, &ca, ed25519);
    const test::Issued pod = test::issue("pod", {"DNS:pod.example"}, &ca, ed25519);
    const test::Directory files;
    tls::FileError error;
    std::vector<tls::Credential> credentials;
    credentials.push_back(*tls::read_credential(files.write("a.pem", server.pem()),
                                                files.write("a.key", server.key_pem()), error));
    const auto cas = tls::read_authorities(files.write("ca.pem", ca.pem()), {}, error);
    tls::ServerContexts::Error why;
    for (const CertificateRule rule :
         {CertificateRule::kNone, CertificateRule::kOptional, CertificateRule::kRequired}) {
      config::TlsServer& settings = listener_[static_cast<size_t>(rule)];
      settings.certificates.push_back(credentials[0].facts);
      settings.clients.mode = rule;
      if (rule != CertificateRule::kNone) settings.clients.digest = cas->digest;
      settings.contexts = tls::ServerContexts::make(
          settings, credentials, rule == CertificateRule::kNone ? nullptr : &*cas, "sim", kLanes,
          why);
    }
    make_clients(ca);
    const test::Issued sluice = test::issue("sluice", {"DNS:sluice.example"}, &ca, ed25519);
    const auto own = tls::read_credential(files.write("s.pem", sluice.pem()),
                                          files.write("s.key", sluice.key_pem()), error);
    config::TlsClient toward;
    toward.expected = toward.server_name = "pod.example";
    std::string reason;
    for (const bool http1 : {false, true})
      toward_[http1 ? 1 : 0] = tls::ClientContext::make(toward, http1 ? tls::kHttp11 : tls::kHttp2,
                                                        &*own, &*cas, kLanes, reason);
    for (const bool asks : {false, true}) {
      SSL_CTX* const ctx =
          (pod_[asks ? 1 : 0] = tls::CtxPtr(SSL_CTX_new(TLS_server_method()))).get();
      SSL_CTX_use_certificate(ctx, pod.certificate.get());
      SSL_CTX_use_PrivateKey(ctx, pod.key.get());
      // The first protocol that the appliance offers: it offers one.
      SSL_CTX_set_alpn_select_cb(
          ctx,
          [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
             unsigned, void*) {
            *size = offered[0];
            *out = offered + 1;
            return SSL_TLSEXT_ERR_OK;
          },
          nullptr);
      if (!asks) continue;
      X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.certificate.get());
      SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      constexpr std::string_view kScope = "pod";
      SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const unsigned char*>(kScope.data()),
                                     static_cast<unsigned>(kScope.size()));
    }
  }
  void make_clients(const test::Issued& ca) {
    const test::Wishes kind{.kind = test::KeyKind::kEd25519, .extended_usage = "clientAuth"};
    const test::Issued other =
        test::issue("no CA", {}, nullptr, {.kind = test::KeyKind::kEd25519, .ca = true});
    const test::Issued right = test::issue("client", {"URI:spiffe://a/b"}, &ca, kind);
    const test::Issued wrong = test::issue("client", {"URI:spiffe://a/b"}, &other, kind);
    told_ = tls::forwarded_certificate(*right.certificate);
    for (const Shows shows : {Shows::kNone, Shows::kRight, Shows::kWrong}) {
      tls::CtxPtr& ctx = client_[static_cast<size_t>(shows)];
      ctx.reset(SSL_CTX_new(TLS_client_method()));
      SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
      SSL_CTX_sess_set_new_cb(ctx.get(), on_session);
      if (shows == Shows::kNone) continue;
      const test::Issued& own = shows == Shows::kRight ? right : wrong;
      SSL_CTX_use_certificate(ctx.get(), own.certificate.get());
      SSL_CTX_use_PrivateKey(ctx.get(), own.key.get());
    }
  }
  // A client has got a ticket.
  static int on_session(SSL* ssl, SSL_SESSION* session);

  config::TlsServer listener_[3];  // by CertificateRule
  std::shared_ptr<const tls::ClientContext> toward_[2];
  tls::CtxPtr client_[3];  // by Shows
  std::string told_;
  tls::CtxPtr pod_[2];
};
static_assert(static_cast<size_t>(CertificateRule::kRequired) < 3 &&
              static_cast<size_t>(CertificateRule::kOptional) < 3);

// The newest ticket of clients of one kind.
struct FreeSession {
  void operator()(SSL_SESSION* s) const { SSL_SESSION_free(s); }
};
using Ticket = std::unique_ptr<SSL_SESSION, FreeSession>;

// One connection.
class Secure {
 public:
  // alpn: of a client; empty: none is offered. ticket: of a client, which resumes its session if it
  // is one, and puts a new one there; outlives this.
  Secure(SSL_CTX* ctx, bool client, int version, std::string_view alpn, Ticket* ticket = nullptr)
      : ssl_(SSL_new(ctx)), ticket_(ticket) {
    SSL_set_app_data(ssl_.get(), this);
    if (ticket_ != nullptr && *ticket_ != nullptr) SSL_set_session(ssl_.get(), ticket_->get());
    SSL_set0_rbio(ssl_.get(), BIO_new(BIO_s_mem()));
    SSL_set0_wbio(ssl_.get(), BIO_new(BIO_s_mem()));
    SSL_set_min_proto_version(ssl_.get(), version);
    SSL_set_max_proto_version(ssl_.get(), version);
    if (!client) {
      SSL_set_accept_state(ssl_.get());
      return;
    }
    SSL_set_connect_state(ssl_.get());
    SSL_set_tlsext_host_name(ssl_.get(), "echo");
    const std::string list = static_cast<char>(alpn.size()) + std::string(alpn);
    if (!alpn.empty())
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(list.data()),
                          static_cast<unsigned>(list.size()));
  }

  // Takes these bytes, and goes on with the handshake and with reading: plain bytes are appended to
  // `plain`. said() has the answer.
  void hear(std::string_view bytes, std::string& plain) {
    if (!bytes.empty())
      BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    if (!done_) done_ = check(SSL_do_handshake(ssl_.get())) > 0;
    if (!done_) return;
    char buffer[16'384];
    int n = 0;
    while ((n = check(SSL_read(ssl_.get(), buffer, sizeof buffer))) > 0)
      plain.append(buffer, static_cast<size_t>(n));
  }
  void write(std::string_view plain) {
    if (!plain.empty()) check(SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size())));
  }
  // Of TLS 1.3: new keys from here on.
  void update_keys() {
    if (SSL_version(ssl_.get()) != TLS1_3_VERSION || SSL_is_init_finished(ssl_.get()) != 1) return;
    SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED);
    check(SSL_do_handshake(ssl_.get()));
  }
  // close_notify. Reading goes on.
  void end() {
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  std::string said() {
    char* data = nullptr;
    BIO* out = SSL_get_wbio(ssl_.get());
    const long n = BIO_get_mem_data(out, &data);
    std::string bytes(data, static_cast<size_t>(n));
    BIO_reset(out);
    return bytes;
  }
  void keep(SSL_SESSION* session) {
    if (ticket_ != nullptr) {
      ticket_->reset(session);
    } else {
      SSL_SESSION_free(session);
    }
  }
  bool done() const { return done_; }
  bool heard_end() const { return heard_end_; }  // close_notify
  bool failed() const { return failed_; }        // an alert, or broken records
  bool is_server() const { return SSL_is_server(ssl_.get()) == 1; }
  const std::string& reason() const { return reason_; }  // OpenSSL's, of the failure

 private:
  int check(int result) {
    if (result > 0) return result;
    const int error = SSL_get_error(ssl_.get(), result);
    heard_end_ |= error == SSL_ERROR_ZERO_RETURN;
    failed_ |= error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL;
    if (const char* text = ERR_reason_error_string(ERR_peek_error());
        text != nullptr && reason_.empty())
      reason_ = text;
    ERR_clear_error();
    return result;
  }

  tls::SslPtr ssl_;
  Ticket* const ticket_;
  bool done_ = false;
  bool heard_end_ = false;
  bool failed_ = false;
  std::string reason_;
};

inline int Identities::on_session(SSL* ssl, SSL_SESSION* session) {
  static_cast<Secure*>(SSL_get_app_data(ssl))->keep(session);
  return 1;
}

}  // namespace sluice::sim
