#include "tls/callbacks.h"

#include <cstring>

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include "tls/client_hello.h"
#include "tls/key_log.h"
#include "tls/ssl_owner.h"
#include "tls/ticket_keys.h"

namespace sluice::tls {
namespace {

constexpr int64_t kSessionSeconds =
    std::chrono::duration_cast<std::chrono::seconds>(TicketKeys::kLifetime).count();

SslOwner* owner_of(SSL* ssl) {
  return static_cast<SslOwner*>(SSL_get_app_data(ssl));
}

int on_client_hello(SSL* ssl, int* alert, void*) {
  SslOwner* s = owner_of(ssl);
  *alert = SSL_AD_INTERNAL_ERROR;
  if (s == nullptr || !s->on_client_hello(*alert)) return SSL_CLIENT_HELLO_ERROR;
  return SSL_CLIENT_HELLO_SUCCESS;
}

// The client's list has a protocol of Sluice: on_client_hello has looked. Sluice's order decides.
int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size,
            const unsigned char* offered, unsigned offered_size, void*) {
  const SslOwner* s = owner_of(ssl);
  if (s == nullptr) return SSL_TLSEXT_ERR_ALERT_FATAL;
  const std::string_view ours = s->alpn();
  if (ours.empty()) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned>(ours.size()), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// on_client_hello has chosen by the name; this acknowledges it (RFC 6066, 3).
int on_server_name(SSL*, int*, void*) {
  return SSL_TLSEXT_ERR_OK;
}

// Returns as SSL_CTX_set_tlsext_ticket_key_evp_cb(3) says.
int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, int making) {
  constexpr int kFailed = -1, kNoTicket = 0, kUse = 1, kUseAndRenew = 2;
  SslOwner* s = owner_of(ssl);
  if (s == nullptr || s->ticket_keys() == nullptr) return kNoTicket;
  const auto begin = [&](TicketKeys::Key& key) {
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    const std::unique_ptr<EVP_CIPHER, Free<EVP_CIPHER_free>> algorithm(
        EVP_CIPHER_fetch(s->library(), "AES-256-CBC", nullptr));
    const bool done =
        algorithm != nullptr && EVP_MAC_CTX_set_params(mac, params) == 1 &&
        EVP_CipherInit_ex2(cipher, algorithm.get(), key.cipher.data(), iv, making, nullptr) == 1;
    OPENSSL_cleanse(&key, sizeof key);
    return done;
  };
  if (making == 1) {
    TicketKeys::Key key = s->ticket_keys()->newest();
    std::memcpy(name, key.name.data(), TicketKeys::kNameSize);
    constexpr size_t kIvSize = 16;  // of AES in CBC mode
    if (RAND_bytes_ex(s->library(), iv, kIvSize, 0) != 1) return kFailed;
    return begin(key) ? kUse : kFailed;
  }
  auto found = s->ticket_keys()->find(name);
  if (!found) return kNoTicket;
  const bool newest = found->newest;
  if (!begin(found->key)) return kFailed;
  // Clients of TLS 1.3 use a ticket once (RFC 8446, appendix C.4), and need a next one.
  return newest && SSL_version(ssl) < TLS1_3_VERSION ? kUse : kUseAndRenew;
}

// A ticket has the time of the full handshake that its session goes back to, also when a resumed
// handshake makes the ticket.
int on_ticket_made(SSL* ssl, void*) {
  const SslOwner* s = owner_of(ssl);
  if (s == nullptr || s->ticket_keys() == nullptr) return 1;
  SSL_SESSION* session = SSL_get_session(ssl);
  void* data = nullptr;
  size_t size = 0;
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &size) == 1 && size == sizeof(int64_t))
    return 1;
  const int64_t now = s->ticket_keys()->now();
  return SSL_SESSION_set1_ticket_appdata(session, &now, sizeof now);
}

// A chain of resumed handshakes ends kLifetime after its full handshake: certificates are verified
// then, and proof of the private keys is given again.
SSL_TICKET_RETURN on_ticket_opened(SSL* ssl, SSL_SESSION* session, const unsigned char*, size_t,
                                   SSL_TICKET_STATUS status, void*) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  const SslOwner* s = owner_of(ssl);
  void* data = nullptr;
  size_t size = 0;
  int64_t began = 0;
  if (s == nullptr || s->ticket_keys() == nullptr ||
      SSL_SESSION_get0_ticket_appdata(session, &data, &size) != 1 || size != sizeof began)
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  std::memcpy(&began, data, sizeof began);
  if (s->ticket_keys()->now() - began > kSessionSeconds) return SSL_TICKET_RETURN_IGNORE_RENEW;
  return status == SSL_TICKET_SUCCESS_RENEW ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

void on_message(int sent, int, int type, const void* bytes, size_t size, SSL* ssl, void*) {
  SslOwner* s = owner_of(ssl);
  if (s == nullptr) return;
  s->on_message(sent == 1, type, {static_cast<const uint8_t*>(bytes), size});
}

void on_key_log(const SSL* ssl, const char* line) {
  write_key_log(line);
  if (SslOwner* s = owner_of(const_cast<SSL*>(ssl)); s != nullptr) s->on_secret(line);
}

}  // namespace

void install_callbacks(SSL_CTX* ctx) {
  SSL_CTX_set_client_hello_cb(ctx, on_client_hello, nullptr);
  SSL_CTX_set_alpn_select_cb(ctx, on_alpn, nullptr);
  SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
  SSL_CTX_set_session_ticket_cb(ctx, on_ticket_made, on_ticket_opened, nullptr);
  install_reports(ctx);
}

void install_reports(SSL_CTX* ctx) {
  SSL_CTX_set_msg_callback(ctx, on_message);
  SSL_CTX_set_keylog_callback(ctx, on_key_log);
}

void set_owner(SSL* ssl, SslOwner& owner) {
  SSL_set_app_data(ssl, &owner);
  BIO_set_data(SSL_get_rbio(ssl), &owner);
}

}  // namespace sluice::tls
