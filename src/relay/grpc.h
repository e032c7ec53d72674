#pragma once
// gRPC over HTTP/2 as far as the relay needs it (gRPC's PROTOCOL-HTTP2 document): whether a request
// is gRPC, and how a failed call is reported.

#include <string_view>

#include "http/fields.h"

namespace sluice::relay {

// The status of a call that Sluice ended itself: for gRPC clients, and for others.
struct Verdict {
  std::string_view grpc_status;
  std::string_view http_status;
};
inline constexpr Verdict kUnavailable{"14", "503"};
inline constexpr Verdict kBadAnswer{"14", "502"};  // RFC 9110, 15.6.3
inline constexpr Verdict kDeadlineExceeded{"4", "504"};
inline constexpr Verdict kResourceExhausted{"8", "503"};
inline constexpr Verdict kTooLargeAnswer{"8", "502"};
inline constexpr Verdict kRequestTooLarge{"8", "431"};
inline constexpr Verdict kBadRequest{"3", "400"};

// The end of a call that no pod answered: one field section that is headers and trailers at once
// ("Trailers-Only"), or a bare status for a client that does not speak gRPC. `message` is plain
// text and is percent-encoded here. It must not name pods, which clients need not know.
void append_answer(http::FieldList& out, bool grpc, const Verdict& verdict,
                   std::string_view message);

// The trailers of a call that ends after its response has begun.
void append_grpc_status(http::FieldList& out, std::string_view status, std::string_view message);

}  // namespace sluice::relay
