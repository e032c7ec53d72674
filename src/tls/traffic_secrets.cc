#include "tls/traffic_secrets.h"

#include <openssl/crypto.h>

namespace sluice::tls {
namespace {

constexpr std::string_view kClient = "CLIENT_TRAFFIC_SECRET_0 ";
constexpr std::string_view kServer = "SERVER_TRAFFIC_SECRET_0 ";

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 0;
}

}  // namespace

TrafficSecrets::~TrafficSecrets() {
  OPENSSL_cleanse(&client_, sizeof client_);
  OPENSSL_cleanse(&server_, sizeof server_);
}

void TrafficSecrets::on_line(std::string_view line) {
  const bool client = line.starts_with(kClient);
  if (!client && !line.starts_with(kServer)) return;
  Secret& secret = client ? client_ : server_;
  const std::string_view hex = line.substr(line.rfind(' ') + 1);
  secret.size = hex.size() / 2;
  if (secret.size > secret.bytes.size()) secret.size = 0;
  for (size_t i = 0; i < secret.size; ++i)
    secret.bytes[i] = static_cast<uint8_t>(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
}

std::optional<TrafficKeys> TrafficSecrets::keys(OSSL_LIB_CTX* library, const SSL* ssl,
                                                bool client) const {
  // Bytes that OpenSSL has read and not worked on are of a record that would be lost.
  if (SSL_version(ssl) != TLS1_3_VERSION || SSL_has_pending(ssl) == 1) return std::nullopt;
  // The peer takes shorter records only (RFC 6066, 4), and OpenSSL makes those.
  const uint8_t fragment = SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl));
  if (fragment >= TLSEXT_max_fragment_length_512 && fragment <= TLSEXT_max_fragment_length_4096)
    return std::nullopt;
  const CipherSuite* suite = suite_of(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)));
  if (suite == nullptr) return std::nullopt;
  const auto make = [&](const Secret& secret, TrafficKey::Use use, uint64_t sequence) {
    return TrafficKey::make(library, *suite, use, {secret.bytes.data(), secret.size}, sequence);
  };
  TrafficKeys out{
      .open = make(client ? server_ : client_, TrafficKey::Use::kOpen, received_),
      .seal = make(client ? client_ : server_, TrafficKey::Use::kSeal, sent_),
  };
  if (out.open == nullptr || out.seal == nullptr) return std::nullopt;
  return out;
}

}  // namespace sluice::tls
