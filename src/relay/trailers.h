#pragma once
// Which trailers pass (RFC 9110, 6.5.1).

#include <cstddef>

#include "http/fields.h"

namespace sluice::relay {

// False: drop_early_fields() would drop nothing, as of nearly all of gRPC's trailers. O(1).
inline bool may_have_early_fields(const http::FieldList& trailers) {
  using http::Name;
  return trailers.has(Name::kOther) || trailers.has(Name::kContentLength) ||
         trailers.has(Name::kContentType) || trailers.has(Name::kCookie) ||
         trailers.has(Name::kExpect) || trailers.has(Name::kForwarded) ||
         trailers.has(Name::kHost) || trailers.has(Name::kTe) || trailers.has(Name::kVia) ||
         trailers.has(Name::kXForwardedFor);
}

// Removes the fields that a recipient must know before the content: framing, routing,
// authentication, modifiers of the request, the content's format, and the origin of the request. A
// recipient, or one behind it, may merge trailers into the header section. In a request they would
// override the fields by which Sluice and the pod decided; and a client could write Forwarded and
// X-Forwarded-For itself, which only Sluice may write. In an answer they could set cookies,
// redirect the client, or frame the body again. Trailers may be discarded (6.5.1), so the call goes
// on. Returns the number of removed fields.
size_t drop_early_fields(http::FieldList& trailers);

}  // namespace sluice::relay
