#pragma once
// Writes heads and trailer sections (RFC 9112, 2.1) from parsed fields: no byte of a received head
// is passed on as it came.

#include <cstring>
#include <string>
#include <string_view>

#include "http1/http.h"

namespace sluice::http1 {

// What this hop adds to a message.
struct HopFields {
  bool chunked = false;
  bool no_length = false;  // the Content-Length of `fields` is left out
  bool empty = false;      // Content-Length: 0 is added
  bool close = false;
  bool keep_alive = false;  // for a peer of HTTP/1.0
  bool upgrade = false;     // `fields` has Upgrade, which Connection has to name (RFC 9110, 7.8)
  // An Upgrade to WebSocket: the key of a request, or the accept value of an answer. The request
  // line is then GET's, and the status line 101's.
  std::string_view websocket_key = {};
  std::string_view websocket_accept = {};
  std::string_view host = {};  // of a request: the value of Host
};

// The text of a head or a trailer section.
class HeadText {
 public:
  // One for each thread, empty.
  static HeadText& scratch();

  void add(std::string_view text) {
    if (!text.empty()) std::memcpy(text_.room(text.size()), text.data(), text.size());
    text_.grow(text.size());
  }
  // A line of a field.
  void add(std::string_view name, std::string_view value) {
    const size_t size = name.size() + value.size() + 4;
    char* to = text_.room(size);
    std::memcpy(to, name.data(), name.size());
    to += name.size();
    *to++ = ':';
    *to++ = ' ';
    if (!value.empty()) std::memcpy(to, value.data(), value.size());
    to += value.size();
    *to++ = '\r';
    *to = '\n';
    text_.grow(size);
  }
  std::string_view view() const { return {text_.data(), text_.size()}; }

 private:
  http::Growing<char, 32> text_;
};

// The fields are valid (http/validation.h). The text is appended.
void write_response(HeadText& to, const FieldList& fields, const HopFields& hop);
// The host that a request names, by :authority or else by Host. Empty: it names none.
struct NamedHost {
  std::string_view text;
  bool valid = false;  // http::valid_host() holds
};
NamedHost named_host(const FieldList& request);
// A bare IPv6 address, perhaps with a port, in brackets. Empty: the text is none.
std::string in_brackets(std::string_view address);
// The request's own :authority and Host are not written: hop.host is. Bytes of the path above 0x7e
// are percent-encoded (RFC 3986, 2.1).
void write_request(HeadText& to, const FieldList& fields, const HopFields& hop);
// The trailer section with its last empty line.
void write_trailers(HeadText& to, const FieldList& fields);

// The three digits of :status.
int status_of(const FieldList& response);
// RFC 9110, 15; empty for an unknown status.
std::string_view reason_of(int status);

}  // namespace sluice::http1
