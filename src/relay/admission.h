#pragma once
// From a request to a call: everything that is applied to a request before it reaches a pod.

#include "http/fields.h"
#include "http/stream.h"
#include "relay/context.h"

namespace sluice::relay {

class Listener;

// Takes the contents of `request`, and ties `stream` to the call. When the request is refused, the
// stream is left without an owner, or ended.
void admit(Context& context, Listener& listener, ClientConnection& client, http::Stream& stream,
           http::FieldList& request, bool end);

}  // namespace sluice::relay
