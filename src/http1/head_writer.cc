#include "http1/head_writer.h"

namespace sluice::http1 {
namespace {

void line(std::string& to, std::string_view name, std::string_view value) {
  to.append(name).append(": ").append(value).append("\r\n");
}

// Some programs read a number with leading zeros as octal.
void field(std::string& to, const Field& f) {
  std::string_view value = f.value;
  if (f.id == Name::kContentLength)
    while (value.size() > 1 && value.front() == '0') value.remove_prefix(1);
  line(to, f.name, value);
}

void write_hop(std::string& to, const HopFields& hop) {
  if (hop.empty) to += "content-length: 0\r\n";
  if (hop.chunked) to += "transfer-encoding: chunked\r\n";
  const bool upgraded = !hop.websocket_key.empty() || !hop.websocket_accept.empty();
  if (upgraded) {
    to += "connection: upgrade\r\nupgrade: websocket\r\n";
    if (!hop.websocket_key.empty()) line(to, "sec-websocket-key", hop.websocket_key);
    if (!hop.websocket_accept.empty()) line(to, "sec-websocket-accept", hop.websocket_accept);
  } else if (hop.close) {
    to += "connection: close\r\n";
  } else if (hop.keep_alive) {
    to += "connection: keep-alive\r\n";
  }
  to += "\r\n";
}

}  // namespace

int status_of(const FieldList& response) {
  int status = 0;
  for (const char c : response.find(Name::kStatus).value_or("")) status = status * 10 + (c - '0');
  return status;
}

void write_response(std::string& to, const FieldList& fields, const HopFields& hop) {
  const bool upgraded = !hop.websocket_accept.empty();
  to += "HTTP/1.1 ";
  to += upgraded ? "101" : fields.find(Name::kStatus).value_or("500");
  to += ' ';  // also without a reason (RFC 9112, 4)
  to += reason_of(upgraded ? 101 : status_of(fields));
  to += "\r\n";
  for (const Field f : fields) {
    if (f.id == Name::kStatus || (f.id == Name::kContentLength && hop.no_length) ||
        (upgraded && f.name == "sec-websocket-accept"))
      continue;
    field(to, f);
  }
  write_hop(to, hop);
}

// Cookies in several fields are HTTP/2's (RFC 9113, 8.2.3). TE is a field of one hop, and pods send
// trailers without it.
void write_request(std::string& to, const FieldList& fields, const HopFields& hop) {
  const auto authority = fields.find(Name::kAuthority);
  const bool upgraded = !hop.websocket_key.empty();
  const std::string_view method = fields.find(Name::kMethod).value_or("");
  to.append(upgraded ? "GET" : method).append(" ");
  // A plain CONNECT has the authority form (RFC 9112, 3.2.3).
  to.append(fields.find(Name::kPath).value_or(method == "CONNECT" ? authority.value_or("") : "/"));
  to.append(" HTTP/1.1\r\n");
  line(to, "host", authority ? *authority : fields.find(Name::kHost).value_or(""));
  bool cookie = false, version = false;
  for (const Field f : fields) {
    if (f.name.starts_with(':') || f.id == Name::kHost || f.id == Name::kTe ||
        (f.id == Name::kContentLength && hop.no_length) ||
        (upgraded && f.name == "sec-websocket-key"))
      continue;
    version |= f.name == "sec-websocket-version";
    if (f.id == Name::kCookie) {
      cookie = true;
      continue;
    }
    field(to, f);
  }
  if (upgraded && !version) line(to, "sec-websocket-version", "13");
  if (cookie) {
    to += "cookie: ";
    bool first = true;
    for (const Field f : fields) {
      if (f.id != Name::kCookie) continue;
      if (!first) to += "; ";
      first = false;
      to += f.value;
    }
    to += "\r\n";
  }
  write_hop(to, hop);
}

void write_trailers(std::string& to, const FieldList& fields) {
  for (const Field f : fields) line(to, f.name, f.value);
  to += "\r\n";
}

std::string_view reason_of(int status) {
  // clang-format off
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";
  }
  // clang-format on
}

}  // namespace sluice::http1
