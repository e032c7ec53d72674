#pragma once
// The key of one direction of a TLS 1.3 connection: protects and opens records (RFC 8446, 5.2 and
// 5.3), and is replaced by the next one (7.2).

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "buf/slice.h"
#include "tls/openssl.h"

namespace sluice::tls {

// A cipher suite of TLS 1.3 (RFC 8446, B.4), under OpenSSL's names.
struct CipherSuite {
  const char* cipher;
  const char* digest;
  size_t key_size;        // bytes
  size_t secret_size;     // bytes, as many as the hash has
  uint64_t most_records;  // that one key protects (RFC 8446, 5.5)
};
// id: as SSL_CIPHER_get_protocol_id() gives it. nullptr: none of TLS 1.3's that Sluice knows.
const CipherSuite* suite_of(uint16_t id);

// The AEAD of one direction. Plain bytes and records are where the caller has them.
class TrafficKey {
 public:
  enum class Use : uint8_t { kOpen = 0, kSeal = 1 };
  static constexpr uint32_t kTagSize = 16;
  static constexpr uint32_t kHeaderSize = 5;

  // secret: suite.secret_size bytes. sequence: records that the key has protected so far. nullptr:
  // OpenSSL refuses.
  static std::unique_ptr<TrafficKey> make(OSSL_LIB_CTX* library, const CipherSuite& suite, Use use,
                                          buf::View secret, uint64_t sequence);
  ~TrafficKey();
  TrafficKey(const TrafficKey&) = delete;

  // A record is begin() with its header, pass() with each piece in order, and seal() or open().
  // False: OpenSSL refuses, or, of open(), the record was changed. The connection then ends.
  bool begin(const uint8_t* header);
  // from and to are the same or do not overlap.
  bool pass(const uint8_t* from, uint8_t* to, uint32_t n);
  bool seal(uint8_t* tag);
  bool open(const uint8_t* tag);

  // Replaces the key by the next one; its first record is record 0.
  bool update();
  // Records that this key has protected or opened.
  uint64_t sequence() const { return sequence_; }
  const CipherSuite& suite() const { return suite_; }

 private:
  static constexpr size_t kNonceSize = 12;
  static constexpr size_t kMaxSecret = 48;

  TrafficKey(OSSL_LIB_CTX* library, const CipherSuite& suite, Use use, buf::View secret);
  buf::View secret() const { return {secret_.data(), suite_.secret_size}; }
  // Takes key and IV from the secret. cipher: nullptr for the one that cipher_ has.
  bool derive(const EVP_CIPHER* cipher);

  OSSL_LIB_CTX* const library_;
  const CipherSuite& suite_;
  const Use use_;
  std::unique_ptr<EVP_CIPHER_CTX, Free<EVP_CIPHER_CTX_free>> cipher_;
  uint64_t sequence_ = 0;
  std::array<uint8_t, kNonceSize> iv_{};
  std::array<uint8_t, kMaxSecret> secret_{};
};

// Both directions of a connection, from its handshake.
struct TrafficKeys {
  std::unique_ptr<TrafficKey> open;
  std::unique_ptr<TrafficKey> seal;
};

}  // namespace sluice::tls
