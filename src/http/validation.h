#pragma once
// Which field sections are well-formed (RFC 9113, 8.2 and 8.3). A malformed one is a stream error
// of type PROTOCOL_ERROR: what Sluice lets through, a pod would have to distrust again. Blanks and
// tabs around a value are forbidden, too, and nobody is harmed by their going: they are stripped.

#include <cstdint>
#include <string_view>

#include "http/fields.h"

namespace sluice::http {

// The characters of a field's name and value are what RFC 9113, 8.2.1 allows. Records of HPACK's
// fields are asked once, not in every message (Field::sound).
bool sound(std::string_view name, std::string_view value);

struct RequestFacts {
  int64_t content_length = -1;  // the value of that field, -1 without one
  bool connect = false;         // the method is CONNECT
};
// extended_connect: :protocol was offered to the client (RFC 8441, 4).
bool valid_request(FieldList& fields, bool extended_connect, RequestFacts& facts);
// status: the three digits; 1xx are informational. content_length as above.
bool valid_response(FieldList& fields, int& status, int64_t& content_length);
bool valid_trailers(FieldList& fields);

}  // namespace sluice::http
