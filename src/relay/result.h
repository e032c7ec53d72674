#pragma once
// The result of a call, as metrics and the access log name it.

#include <cstdint>
#include <string_view>

#include "http/end_reason.h"
#include "stats/results.h"

namespace sluice::relay {

// grpc-status; UNKNOWN for other text than a known code, as gRPC's clients take it.
inline stats::Result grpc_result(std::string_view status) {
  const auto digit = [&](size_t i) { return static_cast<unsigned>(status[i]) - '0'; };
  unsigned code = UINT32_MAX;
  if (status.size() == 1 && digit(0) <= 9) {
    code = digit(0);
  } else if (status.size() == 2 && digit(0) == 1) {
    code = 10 + digit(1);
  }
  constexpr auto kLast = static_cast<unsigned>(stats::Result::kUnauthenticated);
  return code <= kLast ? static_cast<stats::Result>(code) : stats::Result::kUnknown;
}

// :status, which the codec has validated.
inline stats::Result http_result(std::string_view status) {
  const unsigned kind = status.empty() ? 9 : static_cast<unsigned>(status[0]) - '1';
  return kind > 4 ? stats::Result::kIncomplete
                  : static_cast<stats::Result>(static_cast<unsigned>(stats::Result::k1xx) + kind);
}

// :status of a gRPC call that was answered without grpc-status
// (grpc/doc/http-grpc-status-mapping.md).
stats::Result grpc_result_of_http(std::string_view status);
// :status as a number; 0 when it is none.
uint16_t status_number(std::string_view status);
// A gRPC call whose stream was reset (grpc/doc/PROTOCOL-HTTP2.md, Errors).
stats::Result grpc_result(http::EndReason code);

}  // namespace sluice::relay
