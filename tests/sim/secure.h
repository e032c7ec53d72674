#pragma once
// TLS of clients and pods: OpenSSL over memory. All keys are Ed25519's, whose signatures have one
// size: so a seed makes packets of the same sizes each time, whatever the randoms of the handshake.

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/authorities.h"
#include "tls/certificates.h"
#include "tls/client_context.h"
#include "tls/credential.h"
#include "tls/server_contexts.h"

namespace sluice::sim {

// The certificates of a process's worlds, and what is made of them.
class Identities {
 public:
  static const Identities& get() {
    static const Identities all;
    return all;
  }
  // Of the appliance's listener.
  const std::shared_ptr<const tls::ServerContexts>& listener() const { return listener_; }
  config::TlsServer listener_settings() const { return listener_settings_; }
  // Of the appliance toward pods that speak this protocol of ALPN.
  const std::shared_ptr<const tls::ClientContext>& toward(bool http1) const {
    return toward_[http1 ? 1 : 0];
  }
  SSL_CTX* client() const { return client_.get(); }
  SSL_CTX* pod() const { return pod_.get(); }

 private:
  Identities() {
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
    listener_settings_.certificates.push_back(credentials[0].facts);
    tls::ServerContexts::Error why;
    listener_ = tls::ServerContexts::make(listener_settings_, credentials, nullptr, "sim", 1, why);
    listener_settings_.contexts = listener_;
    const auto cas = tls::read_authorities(files.write("ca.pem", ca.pem()), {}, error);
    config::TlsClient toward;
    toward.expected = toward.server_name = "pod.example";
    std::string reason;
    for (const bool http1 : {false, true})
      toward_[http1 ? 1 : 0] = tls::ClientContext::make(toward, http1 ? tls::kHttp11 : tls::kHttp2,
                                                        nullptr, &*cas, 1, reason);
    SSL_CTX_use_certificate(pod_.get(), pod.certificate.get());
    SSL_CTX_use_PrivateKey(pod_.get(), pod.key.get());
    // The first protocol that the appliance offers: it offers one.
    SSL_CTX_set_alpn_select_cb(
        pod_.get(),
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
           unsigned, void*) {
          *size = offered[0];
          *out = offered + 1;
          return SSL_TLSEXT_ERR_OK;
        },
        nullptr);
  }

  config::TlsServer listener_settings_;
  std::shared_ptr<const tls::ServerContexts> listener_;
  std::shared_ptr<const tls::ClientContext> toward_[2];
  tls::CtxPtr client_{SSL_CTX_new(TLS_client_method())};
  tls::CtxPtr pod_{SSL_CTX_new(TLS_server_method())};
};

// One connection.
class Secure {
 public:
  // alpn: of a client; empty: none is offered.
  Secure(SSL_CTX* ctx, bool client, int version, std::string_view alpn) : ssl_(SSL_new(ctx)) {
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
  // close_notify.
  void end() { check(SSL_shutdown(ssl_.get())); }
  std::string said() {
    char* data = nullptr;
    BIO* out = SSL_get_wbio(ssl_.get());
    const long n = BIO_get_mem_data(out, &data);
    std::string bytes(data, static_cast<size_t>(n));
    BIO_reset(out);
    return bytes;
  }
  bool done() const { return done_; }
  bool heard_end() const { return heard_end_; }  // close_notify
  bool failed() const { return failed_; }        // an alert, or broken records

 private:
  int check(int result) {
    if (result > 0) return result;
    const int error = SSL_get_error(ssl_.get(), result);
    heard_end_ |= error == SSL_ERROR_ZERO_RETURN;
    failed_ |= error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL;
    ERR_clear_error();
    return result;
  }

  tls::SslPtr ssl_;
  bool done_ = false;
  bool heard_end_ = false;
  bool failed_ = false;
};

}  // namespace sluice::sim
