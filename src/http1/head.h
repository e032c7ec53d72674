#pragma once
// The head of a request or of an answer (RFC 9112, 3 and 4), in the form that the relay knows:
// pseudo-header fields first, lower-case names, no field of this hop.

#include <cstdint>
#include <string_view>

#include "http1/fault.h"
#include "http1/fields.h"
#include "http1/http.h"
#include "http1/section_cache.h"

namespace sluice::http1 {

struct RequestHead {
  unsigned minor = 1;  // of HTTP/1.minor; larger ones count as 1
  Framing framing;
  bool keep = false;  // the client lets the connection stay open
  bool to_head = false;
  bool expects = false;  // the client may wait for 100 before it sends the body
  bool connect = false;  // the method is CONNECT, in the authority form
  // Of an Upgrade to WebSocket, which `out` has as an extended CONNECT (RFC 8441, 5); a part of
  // `text`. Empty: the request asks for none.
  std::string_view websocket_key;
};
// text: a whole section. most: of fields. `out` is complete and valid unless there is a fault.
Fault parse_request(std::string_view text, uint32_t most, SectionCache& cache, FieldList& out,
                    RequestHead& head);

struct ResponseHead {
  // 101 is an answer to Upgrade: `out` has 200 instead, as for an extended CONNECT (RFC 8441, 5).
  int status = 0;
  std::string_view websocket_accept;  // of 101; a part of `text`
  Framing framing;
  bool keep = false;          // the pod lets the connection stay open
  uint32_t keep_seconds = 0;  // when idle, for so long; 0: the pod does not say
};
Fault parse_response(std::string_view text, uint32_t most, SectionCache& cache, FieldList& out,
                     ResponseHead& head);

Fault parse_trailers(std::string_view text, uint32_t most, FieldList& out);

}  // namespace sluice::http1
