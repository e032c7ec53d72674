#pragma once
// Which trailers of a request reach a pod (RFC 9110, 6.5.1).

#include <cstddef>

#include "http/fields.h"

namespace sluice::relay {

// Removes the fields that a recipient must know before the content: framing, routing,
// authentication, modifiers of the request, the content's format, and the origin of the request. A
// pod, or a server behind it, may merge trailers into the header section. There they would override
// the fields by which Sluice and the pod decided; and a client could write Forwarded and
// X-Forwarded-For itself, which only Sluice may write. Trailers may be discarded (6.5.1), so the
// call goes on. Returns the number of removed fields.
size_t drop_early_fields(http::FieldList& trailers);

}  // namespace sluice::relay
