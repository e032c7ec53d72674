#pragma once
// Records of TLS 1.3 (RFC 8446, 5.2) that OpenSSL's client never makes: empty ones, for example.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "tls/openssl.h"

namespace sluice::test {

class RecordMaker {
 public:
  // Of TLS_AES_128_GCM_SHA256. traffic_secret: the client's first one for application data, 32
  // bytes (RFC 8446, 7.1). The client itself has sent no record of application data, and sends none
  // any more.
  explicit RecordMaker(std::string_view traffic_secret)
      : key_(expand(traffic_secret, "key", 16)), iv_(expand(traffic_secret, "iv", 12)) {}

  // type: of the content, such as SSL3_RT_APPLICATION_DATA.
  std::string make(uint8_t type, std::string_view content) {
    constexpr size_t kTag = 16;
    const std::string inner = std::string(content) + static_cast<char>(type);
    const size_t size = inner.size() + kTag;
    std::string record{0x17, 0x03, 0x03, static_cast<char>(size >> 8), static_cast<char>(size)};
    std::string nonce = iv_;
    for (size_t i = 0; i < 8; ++i)
      nonce[nonce.size() - 1 - i] ^= static_cast<char>(sequence_ >> (8 * i));
    ++sequence_;
    struct FreeCipher {
      void operator()(EVP_CIPHER_CTX* c) const { EVP_CIPHER_CTX_free(c); }
    };
    const std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> cipher(EVP_CIPHER_CTX_new());
    std::string sealed(size, '\0');
    int n = 0;
    EVP_EncryptInit_ex(cipher.get(), EVP_aes_128_gcm(), nullptr, bytes(key_), bytes(nonce));
    EVP_EncryptUpdate(cipher.get(), nullptr, &n, bytes(record), static_cast<int>(record.size()));
    EVP_EncryptUpdate(cipher.get(), bytes(sealed), &n, bytes(inner),
                      static_cast<int>(inner.size()));
    EVP_EncryptFinal_ex(cipher.get(), bytes(sealed) + n, &n);
    EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTag, bytes(sealed) + inner.size());
    return record + sealed;
  }

 private:
  static const unsigned char* bytes(const std::string& s) {
    return reinterpret_cast<const unsigned char*>(s.data());
  }
  static unsigned char* bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }
  // HKDF-Expand-Label without a context (RFC 8446, 7.1).
  static std::string expand(std::string_view secret, std::string_view label, size_t size) {
    const std::string full = "tls13 " + std::string(label);
    std::string info{0, static_cast<char>(size), static_cast<char>(full.size())};
    info += full;
    info += '\0';
    std::string key(secret);
    std::string digest = "SHA256";
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
    EVP_KDF_CTX* context = EVP_KDF_CTX_new(kdf);
    EVP_KDF_free(kdf);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.data(), key.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
        OSSL_PARAM_construct_end()};
    std::string out(size, '\0');
    EVP_KDF_derive(context, bytes(out), size, params);
    EVP_KDF_CTX_free(context);
    return out;
  }

  std::string key_;
  std::string iv_;
  uint64_t sequence_ = 0;
};

}  // namespace sluice::test
