#pragma once
// The keys of the opening handshake of WebSocket over HTTP/1.1 (RFC 6455, 4.1 and 4.2.2). HTTP/2
// has none of them (RFC 8441, 5), so each hop of HTTP/1.1 has keys of its own.

#include <array>
#include <random>
#include <string_view>

namespace sluice::http1 {

// Sec-WebSocket-Key: 16 bytes in base64.
using WebSocketKey = std::array<char, 24>;
// Sec-WebSocket-Accept: a digest of the key in base64.
using WebSocketAccept = std::array<char, 28>;

// Not a check of the padding: a server decodes no key (RFC 6455, 4.2.1).
bool is_websocket_key(std::string_view text);
// key: is_websocket_key() holds.
WebSocketAccept accept_of(std::string_view key);
WebSocketKey make_websocket_key(std::mt19937_64& random);

inline std::string_view view(const WebSocketKey& key) {
  return {key.data(), key.size()};
}
inline std::string_view view(const WebSocketAccept& accept) {
  return {accept.data(), accept.size()};
}

}  // namespace sluice::http1
