#pragma once
// The value of grpc-timeout (gRPC's PROTOCOL-HTTP2 document, "Timeout"): at most eight digits and a
// unit, H, M, S, m (milli), u (micro) or n (nano).

#include <array>
#include <optional>
#include <string_view>

#include "base/chrono.h"

namespace sluice::relay {

// What exceeds it is as good as no deadline, and would overflow when added to a point in time.
inline constexpr Duration kLongestGrpcTimeout = std::chrono::hours(24 * 365);

// nullopt for what the grammar does not allow. Zero is allowed: clients write it for a deadline
// that passed before they sent the call. Saturates at kLongestGrpcTimeout.
std::optional<Duration> parse_grpc_timeout(std::string_view text);

// The finest unit in which `left` has eight digits or fewer, rounded up: a pod that stops early
// would fail a call that still had time, and zero would be no time at all, so it is never zero.
class GrpcTimeoutText {
 public:
  explicit GrpcTimeoutText(Duration left);
  std::string_view view() const { return {text_.data(), size_}; }

 private:
  std::array<char, 9> text_;
  size_t size_;
};

}  // namespace sluice::relay
