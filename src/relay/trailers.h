#pragma once
// What of a request's trailers reaches a pod (RFC 9110, 6.5.1).

#include <cstddef>

#include "http/fields.h"

namespace sluice::relay {

// Takes away the fields whose meaning must be known before the content: framing, routing,
// authentication, modifiers of the request, the content's format, and where the request came from.
// A pod, or what stands behind it, may merge trailers into the header section: there they would
// overrule what Sluice and the pod went by, and Forwarded and X-Forwarded-For would be the client's
// own word in the place that is ours. Trailers may be discarded (6.5.1), so the call goes on.
// Returns how many there were.
size_t drop_early_fields(http::FieldList& trailers);

}  // namespace sluice::relay
