#pragma once
// "name:port", the form in which a configuration names endpoints of DNS.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::discovery::dns {

// With a number the endpoints are the addresses (A, AAAA) of the name. With a name of a
// port they are what the SRV records of _port._tcp.name lead to.
struct Target {
  std::string host;
  std::string port;

  auto operator<=>(const Target&) const = default;
  std::string str() const { return host + ":" + port; }
  std::optional<uint16_t> number() const;
  // nullopt: the text is no such target.
  static std::optional<Target> parse(std::string_view text);
};

}  // namespace sluice::discovery::dns
