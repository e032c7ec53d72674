// The little JSON that the lab's client prints.
#pragma once

#include <cstdio>
#include <string>

namespace sluice::lab {

inline std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\u%04x", c);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

template <typename Map>
std::string json_counts(const Map& counts) {
  std::string out = "{";
  for (const auto& [name, count] : counts) {
    if (out.size() > 1) out += ", ";
    out += json_text(name) + ": " + std::to_string(count);
  }
  return out + "}";
}

}  // namespace sluice::lab
