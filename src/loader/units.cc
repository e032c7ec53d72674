#include "loader/units.h"

#include <charconv>
#include <cstdint>

namespace sluice::loader {

std::optional<Duration> parse_duration(std::string_view text) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || text.front() == '-') return std::nullopt;
  const std::string_view unit(rest, static_cast<size_t>(end - rest));
  Duration one;
  if (unit == "us") {
    one = 1us;
  } else if (unit == "ms") {
    one = 1ms;
  } else if (unit == "s") {
    one = 1s;
  } else if (unit == "m") {
    one = 1min;
  } else if (unit == "h") {
    one = 1h;
  } else {
    return std::nullopt;
  }
  constexpr Duration kYear = 365 * 24h;
  if (number > kYear / one) return std::nullopt;
  return number * one;
}

}  // namespace sluice::loader
