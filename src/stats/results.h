#pragma once
// The results of calls, as metrics name them: gRPC's status codes, or the class of the HTTP status.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::stats {

// gRPC's codes in the order of their numbers (grpc/doc/statuscodes.md), then the classes of RFC
// 9110, 15. An HTTP call is incomplete when its answer ended early (RFC 9112, 8), or there was
// none.
// clang-format off
#define SLUICE_RESULTS(X)                        \
  X(Ok,                 "OK")                    \
  X(Cancelled,          "CANCELLED")             \
  X(Unknown,            "UNKNOWN")               \
  X(InvalidArgument,    "INVALID_ARGUMENT")      \
  X(DeadlineExceeded,   "DEADLINE_EXCEEDED")     \
  X(NotFound,           "NOT_FOUND")             \
  X(AlreadyExists,      "ALREADY_EXISTS")        \
  X(PermissionDenied,   "PERMISSION_DENIED")     \
  X(ResourceExhausted,  "RESOURCE_EXHAUSTED")    \
  X(FailedPrecondition, "FAILED_PRECONDITION")   \
  X(Aborted,            "ABORTED")               \
  X(OutOfRange,         "OUT_OF_RANGE")          \
  X(Unimplemented,      "UNIMPLEMENTED")         \
  X(Internal,           "INTERNAL")              \
  X(Unavailable,        "UNAVAILABLE")           \
  X(DataLoss,           "DATA_LOSS")             \
  X(Unauthenticated,    "UNAUTHENTICATED")       \
  X(1xx,                "1xx")                   \
  X(2xx,                "2xx")                   \
  X(3xx,                "3xx")                   \
  X(4xx,                "4xx")                   \
  X(5xx,                "5xx")                   \
  X(Incomplete,         "incomplete")
// clang-format on

enum class Result : uint8_t {
#define X(id, text) k##id,
  SLUICE_RESULTS(X)
#undef X
      kCount
};

inline constexpr size_t kResults = static_cast<size_t>(Result::kCount);

inline constexpr std::array<std::string_view, kResults> kResultText{
#define X(id, text) text,
    SLUICE_RESULTS(X)
#undef X
};

constexpr bool is_grpc(Result r) {
  return r < Result::k1xx;
}
constexpr std::string_view text_of(Result r) {
  return kResultText[static_cast<size_t>(r)];
}

}  // namespace sluice::stats
