#include "discovery/dns/target.h"

#include <algorithm>
#include <charconv>

#include "discovery/dns/answer.h"

namespace sluice::discovery::dns {
namespace {

constexpr size_t kLongestName = 253;  // RFC 1035, 2.3.4, as text
constexpr size_t kLongestLabel = 63;

bool is_name(std::string_view text, bool service) {
  if (text.empty() || text.size() > kLongestName) return false;
  for (size_t at = 0; at <= text.size();) {
    const size_t dot = std::min(text.find('.', at), text.size());
    const std::string_view label = text.substr(at, dot - at);
    const auto allowed = [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || (c == '_' && service);
    };
    if (label.empty() || label.size() > kLongestLabel ||
        !std::all_of(label.begin(), label.end(), allowed))
      return false;
    at = dot + 1;
  }
  return true;
}

}  // namespace

std::optional<uint16_t> Target::number() const {
  uint16_t n = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), n);
  if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  return n;
}

std::optional<Target> Target::parse(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Target out{canonical(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  if (!is_name(out.host, true) || !is_name(out.port, false)) return std::nullopt;
  if (out.port.find('.') != std::string::npos) return std::nullopt;
  const bool digits = out.port.find_first_not_of("0123456789") == std::string::npos;
  if (digits && out.number().value_or(0) == 0) return std::nullopt;
  return out;
}

}  // namespace sluice::discovery::dns
