#include "tls/traffic_key.h"

#include <algorithm>

#include <openssl/crypto.h>

#include "base/byte_order.h"
#include "tls/key_schedule.h"

namespace sluice::tls {
namespace {

// RFC 8446, 5.5: at most 2^24.5 full records with AES-GCM. ChaCha20-Poly1305 is bounded by the
// sequence numbers only, so a bound that no connection reaches is enough.
constexpr uint64_t kMostGcm = uint64_t{1} << 24;
constexpr uint64_t kMostChaCha = uint64_t{1} << 48;

constexpr CipherSuite kAes128{"AES-128-GCM", "SHA256", 16, 32, kMostGcm};
constexpr CipherSuite kAes256{"AES-256-GCM", "SHA384", 32, 48, kMostGcm};
constexpr CipherSuite kChaCha{"ChaCha20-Poly1305", "SHA256", 32, 32, kMostChaCha};

}  // namespace

const CipherSuite* suite_of(uint16_t id) {
  switch (id) {
    case 0x1301:
      return &kAes128;
    case 0x1302:
      return &kAes256;
    case 0x1303:
      return &kChaCha;
    default:
      return nullptr;
  }
}

TrafficKey::TrafficKey(OSSL_LIB_CTX* library, const CipherSuite& suite, Use use, buf::View secret)
    : library_(library), suite_(suite), use_(use), cipher_(EVP_CIPHER_CTX_new()) {
  std::copy(secret.begin(), secret.end(), secret_.begin());
}

TrafficKey::~TrafficKey() {
  OPENSSL_cleanse(secret_.data(), secret_.size());
  OPENSSL_cleanse(iv_.data(), iv_.size());
}

std::unique_ptr<TrafficKey> TrafficKey::make(OSSL_LIB_CTX* library, const CipherSuite& suite,
                                             Use use, buf::View secret, uint64_t sequence) {
  if (secret.size() != suite.secret_size) return nullptr;
  std::unique_ptr<TrafficKey> key(new TrafficKey(library, suite, use, secret));
  const std::unique_ptr<EVP_CIPHER, Free<EVP_CIPHER_free>> cipher(
      EVP_CIPHER_fetch(library, suite.cipher, nullptr));
  if (key->cipher_ == nullptr || cipher == nullptr || !key->derive(cipher.get())) return nullptr;
  key->sequence_ = sequence;
  return key;
}

bool TrafficKey::derive(const EVP_CIPHER* cipher) {
  std::array<uint8_t, EVP_MAX_KEY_LENGTH> key;
  const std::span<uint8_t> used(key.data(), suite_.key_size);
  const bool done = expand_label(library_, suite_.digest, secret(), "key", used) &&
                    expand_label(library_, suite_.digest, secret(), "iv", iv_) &&
                    EVP_CipherInit_ex2(cipher_.get(), cipher, key.data(), iv_.data(),
                                       static_cast<int>(use_), nullptr) == 1;
  OPENSSL_cleanse(key.data(), key.size());
  sequence_ = 0;
  return done;
}

bool TrafficKey::update() {
  std::array<uint8_t, kMaxSecret> next{};
  const bool done = expand_label(library_, suite_.digest, secret(), "traffic upd",
                                 {next.data(), suite_.secret_size});
  secret_ = next;
  OPENSSL_cleanse(next.data(), next.size());
  return done && derive(nullptr);
}

bool TrafficKey::begin(const uint8_t* header) {
  std::array<uint8_t, kNonceSize> nonce = iv_;
  uint8_t* const low = nonce.data() + kNonceSize - 8;
  store_be64(low, load_be64(low) ^ sequence_);
  int n = 0;
  return EVP_CipherInit_ex2(cipher_.get(), nullptr, nullptr, nonce.data(), -1, nullptr) == 1 &&
         EVP_CipherUpdate(cipher_.get(), nullptr, &n, header, kHeaderSize) == 1;
}

bool TrafficKey::pass(const uint8_t* from, uint8_t* to, uint32_t n) {
  int done = 0;
  return EVP_CipherUpdate(cipher_.get(), to, &done, from, static_cast<int>(n)) == 1;
}

bool TrafficKey::seal(uint8_t* tag) {
  ++sequence_;
  int n = 0;
  uint8_t rest = 0;  // a stream cipher leaves nothing
  return EVP_CipherFinal_ex(cipher_.get(), &rest, &n) == 1 &&
         EVP_CIPHER_CTX_ctrl(cipher_.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, tag) == 1;
}

bool TrafficKey::open(const uint8_t* tag) {
  ++sequence_;
  int n = 0;
  uint8_t rest = 0;
  return EVP_CIPHER_CTX_ctrl(cipher_.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize,
                             const_cast<uint8_t*>(tag)) == 1 &&
         EVP_CipherFinal_ex(cipher_.get(), &rest, &n) == 1;
}

}  // namespace sluice::tls
