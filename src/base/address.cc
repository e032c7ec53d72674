#include "base/address.h"

#include <arpa/inet.h>

#include <charconv>

namespace sluice {
namespace {

template <class Int>
std::optional<Int> number(std::string_view text, unsigned max) {
  unsigned v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || v > max) return std::nullopt;
  return static_cast<Int>(v);
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
  const std::string s(text);
  if (in_addr four; inet_pton(AF_INET, s.c_str(), &four) == 1) return v4(ntohl(four.s_addr));
  if (in6_addr six; inet_pton(AF_INET6, s.c_str(), &six) == 1) {
    Address a;
    std::memcpy(a.bytes.data(), &six, sizeof six);
    return a;
  }
  return std::nullopt;
}

std::string Address::str() const {
  char out[INET6_ADDRSTRLEN] = "";
  if (is_v4()) {
    inet_ntop(AF_INET, v4_bytes(), out, sizeof out);
  } else {
    inet_ntop(AF_INET6, bytes.data(), out, sizeof out);
  }
  return out;
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = Address::parse(host);
  const auto port = number<uint16_t>(text.substr(colon + 1), 65535);
  if (!address || !port || address->is_v4() == bracketed) return std::nullopt;
  return Endpoint{*address, *port};
}

std::string Endpoint::str() const {
  return (address.is_v4() ? address.str() : "[" + address.str() + "]") + ":" + std::to_string(port);
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = Address::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Prefix{*address, 128};
  const unsigned bits = address->is_v4() ? 32 : 128;
  const auto length = number<uint8_t>(text.substr(slash + 1), bits);
  if (!length) return std::nullopt;
  return Prefix{*address, static_cast<uint8_t>(*length + (128 - bits))};
}

std::string Prefix::str() const {
  return address.str() + "/" + std::to_string(address.is_v4() ? length - 96 : length);
}

}  // namespace sluice
