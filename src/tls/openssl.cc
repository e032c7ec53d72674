#include "tls/openssl.h"

#include <openssl/err.h>

namespace sluice::tls {

std::string take_errors() {
  std::string text;
  const char* data = nullptr;
  int flags = 0;
  while (const unsigned long e = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    const char* reason = ERR_reason_error_string(e);
    if (!text.empty()) text += "; ";
    text += reason != nullptr ? reason : "error " + std::to_string(e);
    if ((flags & ERR_TXT_STRING) != 0 && data != nullptr && *data != '\0')
      text += " (" + std::string(data) + ")";
  }
  return text.empty() ? "no reason given" : text;
}

std::string sha256(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += kDigits[digest[i] >> 4];
    out += kDigits[digest[i] & 15];
  }
  return out;
}

}  // namespace sluice::tls
