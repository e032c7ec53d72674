#include "http1/websocket.h"

#include <algorithm>
#include <cstring>
#include <string>

#include <openssl/evp.h>
#include <openssl/sha.h>

namespace sluice::http1 {
namespace {

constexpr std::string_view kSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3

// Base64 of N bytes has M characters. EVP_EncodeBlock() writes a zero behind them.
template <size_t M, size_t N>
std::array<char, M> base64(const std::array<unsigned char, N>& bytes) {
  static_assert(M == (N + 2) / 3 * 4);
  std::array<unsigned char, M + 1> text;
  EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(N));
  std::array<char, M> out;
  std::memcpy(out.data(), text.data(), M);
  return out;
}

}  // namespace

bool is_websocket_key(std::string_view text) {
  return text.size() == std::tuple_size_v<WebSocketKey> &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '+' || c == '/' || c == '=';
         });
}

WebSocketAccept accept_of(std::string_view key) {
  std::string text(key);
  text += kSuffix;
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return base64<std::tuple_size_v<WebSocketAccept>>(digest);
}

WebSocketKey make_websocket_key(std::mt19937_64& random) {
  std::array<unsigned char, 16> bytes;
  for (size_t i = 0; i < bytes.size(); i += 8) {
    const uint64_t r = random();
    std::memcpy(&bytes[i], &r, 8);
  }
  return base64<std::tuple_size_v<WebSocketKey>>(bytes);
}

}  // namespace sluice::http1
