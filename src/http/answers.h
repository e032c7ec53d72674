#pragma once
// Answers that a connection gives by itself, to requests that its owner never sees.

#include "http/fields.h"

namespace sluice::http {

// content-type is application/grpc, alone or followed by "+proto" or ";parameter".
bool is_grpc(const FieldList& request);

// The request's field section exceeds SETTINGS_MAX_HEADER_LIST_SIZE; `request` is the part that was
// read. The answer is 431 (RFC 9113, 10.5.1; RFC 6585, 5), and for gRPC status 8,
// RESOURCE_EXHAUSTED.
void answer_too_large(const FieldList& request, FieldList& out);

// The answer to a request for a host that another handshake has to be made for: 421 (RFC 9110,
// 15.5.20), after which a client tries again on a connection of its own.
void answer_misdirected(FieldList& out);
// The answer to a request for a host that nothing serves: 404.
void answer_unknown_host(FieldList& out);

// The answer to CONNECT where CONNECT is not passed on: 501 (RFC 9110, 9.3.6 and 15.6.2).
void answer_connect(FieldList& out);

}  // namespace sluice::http
