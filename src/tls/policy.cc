#include "tls/policy.h"

namespace sluice::tls {
namespace {

// Mozilla's lists, without finite-field Diffie-Hellman: a handshake with it costs many times one
// with curves, and every peer of HTTP/2 has curves.
constexpr const char* kCiphers12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kCiphers13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256:P-384";
// 112 bits of strength: no RSA below 2048 bits, no SHA-1.
constexpr int kSecurityLevel = 2;

}  // namespace

bool apply_policy(SSL_CTX* ctx, int least) {
  SSL_CTX_set_security_level(ctx, kSecurityLevel);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  return SSL_CTX_set_min_proto_version(ctx, least) == 1 &&
         SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(ctx, kCiphers12) == 1 &&
         SSL_CTX_set_ciphersuites(ctx, kCiphers13) == 1 &&
         SSL_CTX_set1_groups_list(ctx, kGroups) == 1;
}

}  // namespace sluice::tls
