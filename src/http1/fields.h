#pragma once
// The field lines of a head or trailer section (RFC 9112, 5), and the facts in them that decide
// framing and the life of the connection.

#include <cstdint>
#include <string_view>

#include "http1/fault.h"
#include "http1/http.h"

namespace sluice::http1 {

// How the body of a message ends, by its own fields (RFC 9112, 6).
struct Framing {
  bool chunked = false;
  int64_t length = -1;  // Content-Length; -1: none
};

// The protocol of Upgrade that is passed on.
inline constexpr std::string_view kWebSocket = "websocket";

// Of an ASCII letter; other bytes stay.
inline char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// Compares without regard to the case of ASCII letters.
bool same_text(std::string_view a, std::string_view b);

// No control byte but the tab (RFC 9110, 5.5).
bool valid_value(std::string_view value);
// RFC 9110, 5.6.2.
bool is_token(std::string_view text);
// Without leading zeros, but never empty: some programs read a number with leading zeros as octal.
inline std::string_view without_zeros(std::string_view number) {
  while (number.size() > 1 && number.front() == '0') number.remove_prefix(1);
  return number;
}

// Facts about one message, from its fields.
struct FieldFacts {
  Framing framing;
  bool close = false;       // Connection: close
  bool keep_alive = false;  // Connection: keep-alive, which HTTP/1.0 needs
  uint32_t hosts = 0;       // Host fields
  std::string_view host;
  bool expects = false;             // Expect
  bool takes_trailers = false;      // TE: trailers
  uint32_t keep_alive_timeout = 0;  // seconds of Keep-Alive: timeout; 0: none
  // Connection: upgrade and Upgrade: websocket (RFC 6455, 4.2.1)
  bool upgrade = false;
  bool websocket = false;
  std::string_view protocols;         // the last Upgrade
  std::string_view websocket_key;     // Sec-WebSocket-Key; empty: none, or more than one
  std::string_view websocket_accept;  // Sec-WebSocket-Accept, likewise
};

// The lines of a section, read once, with lower-case names. One object for each thread: the lines
// refer to it and to the text, and are valid until the next read().
class FieldLines {
 public:
  static FieldLines& scratch();

  // text: lines that end in CRLF, and an empty line. minor: of the message's version. Refuses every
  // section that two readers might frame differently. In a pod's head, a blank in front of a colon
  // is removed (RFC 9112, 5.1), and several lines that all say chunked are one.
  enum class Of : uint8_t { kRequest, kAnswer };
  Fault read(std::string_view text, uint32_t most, unsigned minor, Of of = Of::kRequest);
  const FieldFacts& facts() const { return facts_; }
  uint32_t count() const;
  // Adds the fields that go beyond this hop (RFC 9110, 7.6.1), as sound ones. except: names that
  // are left out, as http::bit_of() has them. upgraded: the keys of WebSocket's handshake are left
  // out too.
  void append_to(FieldList& out, uint32_t except = 0, bool upgraded = false) const;

 private:
  // A field with its lower-case name.
  Fault take_field(std::string_view name, std::string_view value);
  Fault read_options(std::string_view value);
  Fault judge_framing(unsigned minor);

  FieldFacts facts_;
  uint32_t lengths_ = 0;  // Content-Length fields
  uint32_t codings_ = 0;  // Transfer-Encoding fields
  uint32_t keys_ = 0;     // Sec-WebSocket-Key fields
  uint32_t accepts_ = 0;  // Sec-WebSocket-Accept fields
  bool chunked_alone_ = false;
  bool answer_ = false;
};

}  // namespace sluice::http1
