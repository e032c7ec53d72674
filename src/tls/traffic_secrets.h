#pragma once
// The application traffic secrets of a TLS 1.3 handshake, and the number of records that OpenSSL
// made and read with them: all that a record layer needs to go on behind OpenSSL.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tls/openssl.h"
#include "tls/traffic_key.h"

namespace sluice::tls {

class TrafficSecrets {
 public:
  TrafficSecrets() = default;
  TrafficSecrets(const TrafficSecrets&) = delete;
  ~TrafficSecrets();

  // A line of OpenSSL's key log (SSL_CTX_set_keylog_callback(3)): the label, the client's random
  // number, and the secret in hexadecimal.
  void on_line(std::string_view line);
  // A record, or a handshake message, was sent or received. Each direction has its application key
  // from the Finished message on.
  void on_record(bool sent) { ++(sent ? sent_ : received_); }
  void on_finished(bool sent) { (sent ? sent_ : received_) = 0; }

  // After the handshake. nullopt: OpenSSL has to make the connection's records.
  std::optional<TrafficKeys> keys(OSSL_LIB_CTX* library, const SSL* ssl, bool client) const;

 private:
  struct Secret {
    std::array<uint8_t, EVP_MAX_MD_SIZE> bytes{};
    size_t size = 0;
  };
  Secret client_;
  Secret server_;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
};

}  // namespace sluice::tls
