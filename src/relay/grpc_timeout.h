#pragma once
// The value of grpc-timeout (gRPC's PROTOCOL-HTTP2 document, "Timeout"): at most eight digits and a
// unit, H, M, S, m (milli), u (micro) or n (nano).

#include <array>
#include <optional>
#include <string_view>

#include "base/chrono.h"

namespace sluice::relay {

// A longer timeout is as good as no deadline, and would overflow when added to a point in time.
inline constexpr Duration kLongestGrpcTimeout = std::chrono::hours(24 * 365);

// nullopt when the grammar does not allow `text`. Zero is allowed: clients write zero for a
// deadline that passed before they sent the call. Saturates at kLongestGrpcTimeout.
std::optional<Duration> parse_grpc_timeout(std::string_view text);

// The text of `left` in the finest unit that needs eight digits or fewer. It is rounded up, since a
// pod that stops early would fail a call that still had time. It is never zero, since zero would
// leave no time at all.
class GrpcTimeoutText {
 public:
  explicit GrpcTimeoutText(Duration left);
  std::string_view view() const { return {text_.data(), size_}; }

 private:
  std::array<char, 9> text_;
  size_t size_;
};

}  // namespace sluice::relay
