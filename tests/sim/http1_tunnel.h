#pragma once
// The handshakes of tunnels in HTTP/1.1: Upgrade (RFC 6455) and CONNECT, of clients and of pods.

#include <charconv>
#include <string>
#include <string_view>

#include "base/random.h"
#include "http1/websocket.h"
#include "http1_message.h"
#include "tunnel.h"

namespace sluice::sim {

inline std::string tunnel_request(const Tunnel& t, std::string_view key, Random& random) {
  if (!t.websocket)
    return "CONNECT " + t.authority() + " HTTP/1.1\r\nHost: " + t.authority() + "\r\n\r\n";
  std::string text = "GET " + t.path() + " HTTP/1.1\r\nHost: echo\r\n";
  text += random.chance(0.5) ? "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                             : "Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n";
  text += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ";
  text += key;
  return text + "\r\n\r\n";
}

// Whether the answer to tunnel_request() opens the tunnel.
inline bool opens_tunnel(const Tunnel& t, const Http1Head& answer, std::string_view key) {
  if (!t.websocket) return answer.word(1).starts_with("2");
  return answer.word(1) == "101" && answer.find("upgrade").value_or("") == "websocket" &&
         answer.find("sec-websocket-accept").value_or("") == http1::view(http1::accept_of(key));
}

// The number in the path or the authority of a request for a tunnel; 0: it asks for none.
inline uint64_t tunnel_number(std::string_view target) {
  constexpr std::string_view kPath = "/tunnel/";
  if (target.starts_with(kPath)) {
    target.remove_prefix(kPath.size());
  } else if (target.starts_with('t')) {
    target.remove_prefix(1);
  } else {
    return 0;
  }
  uint64_t n = 0;
  std::from_chars(target.data(), target.data() + target.size(), n);
  return n;
}

// A pod's answer that opens the tunnel.
inline std::string tunnel_opening(const Tunnel& t, const Http1Head& request) {
  if (!t.websocket) return "HTTP/1.1 200 Fine\r\n\r\n";
  std::string text =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  text += "Sec-WebSocket-Accept: ";
  text += http1::view(http1::accept_of(request.find("sec-websocket-key").value_or("")));
  return text + "\r\n\r\n";
}

// A pod's answer that RFC 6455, 4.1 or RFC 9110, 9.3.6 forbids.
inline std::string wrong_opening(const Tunnel& t, Random& random) {
  if (t.websocket && random.chance(0.5))
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
  return "HTTP/1.1 101 Switching Protocols\r\n\r\n";
}

}  // namespace sluice::sim
