#include "relay/grpc_timeout.h"

#include <algorithm>
#include <charconv>

namespace sluice::relay {

namespace {

constexpr size_t kMaxDigits = 8;

struct Unit {
  char letter;
  Duration one;
};
constexpr Unit kUnits[] = {{'n', 1ns}, {'u', 1us}, {'m', 1ms}, {'S', 1s}, {'M', 1min}, {'H', 1h}};

}  // namespace

std::optional<Duration> parse_grpc_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > kMaxDigits + 1) return std::nullopt;
  const char* unit = text.data() + text.size() - 1;
  int64_t n = 0;
  if (text[0] == '-') return std::nullopt;
  const auto [at, error] = std::from_chars(text.data(), unit, n);
  if (error != std::errc() || at != unit) return std::nullopt;
  for (const Unit& u : kUnits)
    if (u.letter == *unit) return n > kLongestGrpcTimeout / u.one ? kLongestGrpcTimeout : u.one * n;
  return std::nullopt;
}

GrpcTimeoutText::GrpcTimeoutText(Duration left) {
  constexpr int64_t kMost = 99'999'999;
  left = std::clamp(left, Duration(1), kLongestGrpcTimeout);
  const Unit* unit = kUnits;
  const auto rounded = [&] { return (left + unit->one - Duration(1)) / unit->one; };
  while (rounded() > kMost) ++unit;
  char* end = std::to_chars(text_.data(), text_.data() + kMaxDigits, rounded()).ptr;
  *end++ = unit->letter;
  size_ = static_cast<size_t>(end - text_.data());
}

}  // namespace sluice::relay
