#include "discovery/kubernetes/service_port.h"

#include <algorithm>
#include <charconv>

namespace sluice::discovery::kubernetes {
namespace {

// A DNS label (RFC 1123), as names of namespaces, services and ports are.
bool is_label(std::string_view text) {
  constexpr size_t kLongest = 63;
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= kLongest && alphanumeric(text.front()) &&
         alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return alphanumeric(c) || c == '-'; });
}

}  // namespace

std::optional<uint16_t> ServicePort::number() const {
  uint16_t n = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), n);
  if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  return n;
}

std::optional<ServicePort> ServicePort::parse(std::string_view text) {
  ServicePort out;
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const size_t colon = text.find(':', slash);
  const bool with_port = colon != std::string_view::npos;
  out.service.name_space = text.substr(0, slash);
  out.service.name = text.substr(slash + 1, with_port ? colon - slash - 1 : colon);
  if (with_port) out.port = text.substr(colon + 1);
  if (!is_label(out.service.name_space) || !is_label(out.service.name)) return std::nullopt;
  if (with_port && !is_label(out.port)) return std::nullopt;
  // Names of ports have a letter, so digits alone are a number.
  const bool digits = with_port && out.port.find_first_not_of("0123456789") == std::string::npos;
  if (digits && out.number().value_or(0) == 0) return std::nullopt;
  return out;
}

}  // namespace sluice::discovery::kubernetes
