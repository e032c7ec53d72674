#include "http1/head_writer.h"

#include <algorithm>

#include "base/address.h"
#include "http/validation.h"
#include "http1/fields.h"

namespace sluice::http1 {
namespace {

void write_field(HeadText& to, const Field& f) {
  to.add(f.name, f.id == Name::kContentLength ? without_zeros(f.value) : f.value);
}

// RFC 9113, 3.1: of a hop, and of an Upgrade to h2c.
constexpr std::string_view kHttp2Settings = "http2-settings";

// except: names that are left out, as http::bit_of() has them.
void write_fields(HeadText& to, const FieldList& fields, uint32_t except) {
  for (size_t i = 0; i < fields.count();) {
    std::string_view lines;
    if (const size_t n = fields.lines(i, except, lines); n > 0) {
      to.add(lines);
      i += n;
      continue;
    }
    const Field f = fields[i++];
    if ((http::bit_of(f.id) & except) == 0 && f.name != kHttp2Settings) write_field(to, f);
  }
}

void write_hop(HeadText& to, const HopFields& hop) {
  if (hop.empty) to.add("content-length: 0\r\n");
  if (hop.chunked) to.add("transfer-encoding: chunked\r\n");
  const bool upgraded = !hop.websocket_key.empty() || !hop.websocket_accept.empty();
  if (upgraded) {
    to.add("connection: upgrade\r\nupgrade: websocket\r\n");
    if (!hop.websocket_key.empty()) to.add("sec-websocket-key", hop.websocket_key);
    if (!hop.websocket_accept.empty()) to.add("sec-websocket-accept", hop.websocket_accept);
  } else if (hop.upgrade) {
    to.add("connection: upgrade");
    to.add(hop.close ? ", close\r\n" : hop.keep_alive ? ", keep-alive\r\n" : "\r\n");
  } else if (hop.close) {
    to.add("connection: close\r\n");
  } else if (hop.keep_alive) {
    to.add("connection: keep-alive\r\n");
  }
  to.add("\r\n");
}

// HTTP/2 takes bytes above 0x7e in a path. Readers of a request line differ over them: some take
// 0x85 and 0xa0 for blanks.
void add_path(HeadText& to, std::string_view path) {
  const auto plain = [](char c) { return static_cast<unsigned char>(c) <= 0x7e; };
  if (std::all_of(path.begin(), path.end(), plain)) [[likely]] {
    to.add(path);
    return;
  }
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const char encoded[] = {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    to.add(plain(c) ? std::string_view(&c, 1) : std::string_view(encoded, 3));
  }
}

}  // namespace

int status_of(const FieldList& response) {
  int status = 0;
  for (const char c : response.find(Name::kStatus).value_or("")) status = status * 10 + (c - '0');
  return status;
}

HeadText& HeadText::scratch() {
  thread_local HeadText text;
  text.text_.clear();
  return text;
}

void write_response(HeadText& to, const FieldList& fields, const HopFields& hop) {
  const bool upgraded = !hop.websocket_accept.empty();
  to.add("HTTP/1.1 ");
  to.add(upgraded ? "101" : fields.find(Name::kStatus).value_or("500"));
  to.add(" ");  // also without a reason (RFC 9112, 4)
  to.add(reason_of(upgraded ? 101 : status_of(fields)));
  to.add("\r\n");
  uint32_t except = http::bit_of(Name::kStatus);
  if (hop.no_length) except |= http::bit_of(Name::kContentLength);
  if (!upgraded) {
    write_fields(to, fields, except);
  } else {
    for (const Field f : fields)
      if ((http::bit_of(f.id) & except) == 0 && f.name != "sec-websocket-accept")
        write_field(to, f);
  }
  write_hop(to, hop);
}

NamedHost named_host(const FieldList& request) {
  const auto judged = [](std::string_view host) {
    return NamedHost{host, http::valid_host(host, http::Port::kOptional)};
  };
  if (request.has(Name::kAuthority)) {
    for (size_t i = 0; i < request.count(); ++i) {
      const FieldList::Known& known = request.known(i);
      if (known.id != Name::kAuthority || request.value(i).empty()) continue;
      // A sound :authority was judged before.
      return known.sound ? NamedHost{request.value(i), true} : judged(request.value(i));
    }
  }
  const std::string_view host = request.find(Name::kHost).value_or("");
  return host.empty() ? NamedHost{} : judged(host);
}

std::string in_brackets(std::string_view address) {
  const auto is_ipv6 = [](std::string_view text) {
    return text.find(':') != std::string_view::npos && text.find('%') == std::string_view::npos &&
           Address::parse(text).has_value();
  };
  if (address.starts_with('[')) return {};
  std::string_view host = address;
  if (!is_ipv6(host)) host = host.substr(0, std::min(host.rfind(':'), host.size()));
  if (!is_ipv6(host)) return {};
  std::string text = '[' + std::string(host) + ']';
  text += address.substr(host.size());
  return http::valid_host(text, http::Port::kOptional) ? text : std::string();
}

// Cookies in several fields are HTTP/2's (RFC 9113, 8.2.3). TE is a field of one hop, and pods send
// trailers without it.
void write_request(HeadText& to, const FieldList& fields, const HopFields& hop) {
  const bool upgraded = !hop.websocket_key.empty();
  const std::string_view method = fields.find(Name::kMethod).value_or("");
  std::string_view path = fields.find(Name::kPath).value_or("");
  // A plain CONNECT has the authority form (RFC 9112, 3.2.3).
  if (path.empty()) path = method == "CONNECT" ? hop.host : "/";
  to.add(upgraded ? "GET" : method);
  to.add(" ");
  add_path(to, path);
  to.add(" HTTP/1.1\r\n");
  to.add("host", hop.host);
  constexpr uint32_t kElsewhere = http::bit_of(Name::kMethod) | http::bit_of(Name::kPath) |
                                  http::bit_of(Name::kAuthority) | http::bit_of(Name::kScheme) |
                                  http::bit_of(Name::kProtocol) | http::bit_of(Name::kHost) |
                                  http::bit_of(Name::kTe) | http::bit_of(Name::kCookie);
  const uint32_t except =
      kElsewhere | (hop.no_length ? http::bit_of(Name::kContentLength) : uint32_t{0});
  if (!upgraded) {
    write_fields(to, fields, except);
  } else {
    bool version = false;
    for (const Field f : fields) {
      if ((http::bit_of(f.id) & except) != 0 || f.name == "sec-websocket-key" ||
          f.name == kHttp2Settings)
        continue;
      version |= f.name == "sec-websocket-version";
      write_field(to, f);
    }
    if (!version) to.add("sec-websocket-version", "13");
  }
  if (fields.has(Name::kCookie)) {
    to.add("cookie: ");
    bool first = true;
    for (const Field f : fields) {
      if (f.id != Name::kCookie) continue;
      if (!first) to.add("; ");
      first = false;
      to.add(f.value);
    }
    to.add("\r\n");
  }
  write_hop(to, hop);
}

void write_trailers(HeadText& to, const FieldList& fields) {
  for (const Field f : fields) to.add(f.name, f.value);
  to.add("\r\n");
}

std::string_view reason_of(int status) {
  // clang-format off
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 102: return "Processing";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 208: return "Already Reported";
    case 226: return "IM Used";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
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
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 506: return "Variant Also Negotiates";
    case 507: return "Insufficient Storage";
    case 508: return "Loop Detected";
    case 510: return "Not Extended";
    case 511: return "Network Authentication Required";
    default: return "";
  }
  // clang-format on
}

}  // namespace sluice::http1
