#pragma once
// ClientHellos as bytes.

#include <string>

namespace sluice::test {

inline std::string u16_of(size_t n) {
  return {static_cast<char>(n >> 8), static_cast<char>(n)};
}

// An extension of a ClientHello.
inline std::string extension(size_t type, const std::string& content) {
  return u16_of(type) + u16_of(content.size()) + content;
}
inline std::string server_name_extension(const std::string& name) {
  return extension(0, u16_of(name.size() + 3) + '\0' + u16_of(name.size()) + name);
}

// The handshake message (RFC 8446, 4.1.2).
inline std::string hello_message(const std::string& extensions) {
  const std::string body = "\x03\x03" + std::string(32, 'r') + '\x20' + std::string(32, 's') +
                           u16_of(4) + "\x13\x01\x13\x02" + std::string("\x01\x00", 2) +
                           u16_of(extensions.size()) + extensions;
  return std::string("\x01\x00", 2) + u16_of(body.size()) + body;
}

// A message in records of so many bytes each.
inline std::string in_records(const std::string& message, size_t size = 16'384) {
  std::string out;
  for (size_t at = 0; at < message.size(); at += size) {
    const std::string piece = message.substr(at, size);
    out += "\x16\x03\x01" + u16_of(piece.size()) + piece;
  }
  return out;
}

// With a name, and padded to about so many bytes (RFC 7685), as post-quantum key shares make it.
inline std::string client_hello(const std::string& name, size_t padding = 0) {
  std::string extensions = extension(43, "\x02\x03\x04");
  if (!name.empty()) extensions += server_name_extension(name);
  if (padding > 0) extensions += extension(21, std::string(padding, '\0'));
  return in_records(hello_message(extensions));
}

}  // namespace sluice::test
