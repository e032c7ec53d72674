#pragma once
// Checks whether field sections are well-formed (RFC 9113, 8.2 and 8.3). A malformed section is a
// stream error of type PROTOCOL_ERROR, so that no pod has to check again. Blanks and tabs around a
// value are forbidden too, but removing them harms nobody: they are stripped.

#include <cstdint>
#include <string_view>

#include "http/fields.h"

namespace sluice::http {

// RFC 9113, 8.2.1 and RFC 9110, 5.5 allow the characters of the field's name and value, and an
// :authority is a valid_host(). HPACK's records are checked once, not in every message
// (Field::sound); a message whose fields are not sound may be valid all the same.
bool sound(std::string_view name, std::string_view value);

// uri-host [":" port] (RFC 9110, 7.2), which :authority and Host have to be. Two readers have to
// find the same host in it. Zone ids of addresses are taken raw, too.
enum class Port : uint8_t { kOptional, kRequired };
bool valid_host(std::string_view authority, Port port);

// An IPv6 address, perhaps with a port, without its brackets: so h2load and others write it.
bool bare_ipv6(std::string_view authority);
// The host of an authority, without port and brackets. Of a bare IPv6 address, everything but a
// port behind eight groups. Of text with several colons that is no authority at all, everything.
std::string_view host_of(std::string_view authority);

// Two names of fields that CGI, and all that follows it, gives to a program as one variable: '-'
// and
// '_' are the same there (RFC 3875, 4.1.18).
bool same_variable(std::string_view a, std::string_view b);

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
