#include "http/validation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include "http/answers.h"

namespace sluice::http {
namespace {

// Classes of characters, by where they may stand.
enum : uint8_t {
  kInName = 1,        // tokens of RFC 9110, 5.6.2, without upper case (RFC 9113, 8.2.1)
  kInToken = 2,       // the same with upper case: methods and protocols
  kInScheme = 4,      // RFC 3986, 3.1
  kInHost = 8,        // RFC 3986, 3.2.2, without percent signs
  kInAuthority = 32,  // RFC 3986, 3.2, without userinfo, which RFC 9113, 8.3.1 forbids
  kInPath = 16,       // more than RFC 3986, 3.3 and 3.4, as real clients send; no fragment
};

constexpr std::array<uint8_t, 256> kCharacters = [] {
  std::array<uint8_t, 256> all{};
  const auto add = [&](std::string_view characters, unsigned where) {
    for (const char c : characters)
      all[static_cast<unsigned char>(c)] |= static_cast<uint8_t>(where);
  };
  add("abcdefghijklmnopqrstuvwxyz0123456789", kInName);
  add("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
      kInToken | kInScheme | kInHost | kInAuthority);
  add("!#$%&'*+-.^_`|~", kInName | kInToken);
  add("+-.", kInScheme);
  add("-._~!$&'()*+,;=", kInHost | kInAuthority);
  add("%:[]", kInAuthority);
  for (unsigned c = 0x21; c <= 0xff; ++c)
    if (c != 0x7f && c != '#') all[c] |= kInPath;
  return all;
}();

bool consists_of(std::string_view text, uint8_t where) {
  for (const char c : text)
    if ((kCharacters[static_cast<unsigned char>(c)] & where) == 0) return false;
  return true;
}

bool valid_name(std::string_view name) {
  return !name.empty() && consists_of(name, kInName);
}

bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool hexadecimal(char c) {
  return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// reg-name of RFC 3986, 3.2.2, but not empty.
bool valid_name_of_host(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if ((kCharacters[static_cast<unsigned char>(text[i])] & kInHost) != 0) continue;
    if (text[i] != '%' || text.size() - i < 3 || !hexadecimal(text[i + 1]) ||
        !hexadecimal(text[i + 2]))
      return false;
    i += 2;
  }
  return !text.empty();
}

bool valid_pseudo_value(Name id, std::string_view value) {
  switch (id) {
    case Name::kMethod:
    case Name::kProtocol:
      return consists_of(value, kInToken);
    case Name::kScheme:
      return consists_of(value, kInScheme);
    case Name::kAuthority:
      // request_without_blanks() looks at more, since it depends on other fields.
      return consists_of(value, kInAuthority);
    case Name::kPath:
      return consists_of(value, kInPath);
    case Name::kStatus:
      return true;  // valid_response() checks every digit
    default:
      return false;
  }
}

bool blank(char c) {
  return c == ' ' || c == '\t';
}

// RFC 9110, 5.5: control characters but tabs are invalid. A server behind that speaks HTTP/1.1
// would refuse them, or worse.
bool control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

bool valid_value(std::string_view value) {
  if (value.empty()) return true;
  if (blank(value.front()) || blank(value.back())) return false;
  // Eight bytes at a time. The first marked byte is below 0x20 or 0x7f; those above it may be
  // marked by a borrow.
  constexpr uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  const auto below = [](uint64_t x, uint64_t n) { return (x - kOnes * n) & ~x & kTops; };
  const char* p = value.data();
  size_t left = value.size();
  for (; left >= 8; left -= 8, p += 8) {
    uint64_t x;
    std::memcpy(&x, p, 8);
    if ((below(x, 0x20) | below(x ^ kOnes * 0x7f, 1)) == 0) [[likely]]
      continue;
    if (std::any_of(p, p + 8, control)) return false;  // not all are tabs
  }
  return std::none_of(p, p + left, control);
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
bool same_text(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

// Host and :authority are the same, by the scheme's rules (RFC 9113, 8.3.1; RFC 3986, 6.2.3).
bool same_authority(std::string_view scheme, std::string_view a, std::string_view b) {
  const std::string_view port = same_text(scheme, "https") ? ":443" : ":80";
  const auto without_default_port = [port](std::string_view s) {
    if (s.ends_with(port)) return s.substr(0, s.size() - port.size());
    return s.ends_with(':') ? s.substr(0, s.size() - 1) : s;
  };
  return same_text(without_default_port(a), without_default_port(b));
}

// Facts about the message in the regular fields of a section.
struct Regular {
  int64_t content_length = -1;
  std::optional<std::string_view> host;
};

// Regular fields that need a check beyond their characters, in any section.
constexpr uint32_t kSpecial = bit_of(Name::kConnection) | bit_of(Name::kKeepAlive) |
                              bit_of(Name::kProxyConnection) | bit_of(Name::kTransferEncoding) |
                              bit_of(Name::kUpgrade) | bit_of(Name::kTe) |
                              bit_of(Name::kContentLength) | bit_of(Name::kHost);

// Checks one field of kSpecial.
bool valid_special(const Field& f, Regular& seen) {
  switch (f.id) {
    case Name::kConnection:
    case Name::kKeepAlive:
    case Name::kProxyConnection:
    case Name::kTransferEncoding:
    case Name::kUpgrade:
      return false;
    case Name::kTe:
      return f.value == "trailers" || same_text(f.value, "trailers");  // 8.2.2
    case Name::kContentLength: {
      uint64_t n = 0;
      const char* end = f.value.data() + f.value.size();
      const auto [at, error] = std::from_chars(f.value.data(), end, n);
      if (error != std::errc() || at != end || n > INT64_MAX) return false;
      const auto length = static_cast<int64_t>(n);
      if (seen.content_length >= 0) return false;  // RFC 9110, 8.6: cannot be handed on unchanged
      seen.content_length = length;
      return true;
    }
    case Name::kHost:
      if (seen.host) return false;
      seen.host = f.value;
      return true;
    default:
      return true;
  }
}

// Every pseudo-header field comes at most once, and before all regular fields. on_pseudo(id, value,
// sound) says whether the field belongs in this section; sound: http::sound() has found it so.
template <class Fn>
bool valid_section(const FieldList& fields, Regular& seen, Fn&& on_pseudo) {
  bool regular_seen = false;
  uint32_t pseudo_seen = 0;
  for (size_t i = 0; i < fields.count(); ++i) {
    const FieldList::Known& known = fields.known(i);
    const uint32_t bit = bit_of(known.id);
    if (is_pseudo(known.id)) {
      if (regular_seen || (pseudo_seen & bit) != 0) return false;
      const std::string_view value = fields.value(i);
      if (!known.sound && !valid_pseudo_value(known.id, value)) return false;
      pseudo_seen |= bit;
      if (!on_pseudo(known.id, value, known.sound)) return false;
      continue;
    }
    regular_seen = true;
    if (!known.sound) {  // a name that begins with ':' is no valid one
      const Field f = fields[i];
      if (!valid_name(f.name) || !valid_value(f.value)) return false;
    }
    if ((bit & kSpecial) != 0 && !valid_special(fields[i], seen)) return false;
  }
  return true;
}

// 8.2.1 forbids blanks around a value, but gRPC writes grpc-message raw and relies on receivers to
// strip it. Few sections have such blanks, so only a malformed section is stripped and checked
// again. False when there were none.
[[gnu::noinline]] bool strip_blanks(FieldList& fields) {
  bool stripped = false;
  for (size_t i = 0; i < fields.count(); ++i) {
    const Field f = fields[i];
    if (f.name.starts_with(':') || f.value.empty()) continue;
    if (!blank(f.value.front()) && !blank(f.value.back())) continue;
    fields.strip(i);
    stripped = true;
  }
  return stripped;
}

bool request_without_blanks(const FieldList& fields, bool extended_connect, RequestFacts& facts) {
  std::string_view method, path, scheme;
  std::optional<std::string_view> authority;  // empty differs from absent
  bool authority_sound = false;
  bool protocol = false;
  Regular seen;
  const bool ok = valid_section(fields, seen, [&](Name id, std::string_view value, bool is_sound) {
    switch (id) {
      case Name::kMethod:
        method = value;
        return !value.empty();
      case Name::kPath:
        path = value;
        return !value.empty();
      case Name::kScheme:
        scheme = value;
        return !value.empty();
      case Name::kAuthority:
        authority = value;
        authority_sound = is_sound;
        return true;
      case Name::kProtocol:
        protocol = true;
        return extended_connect && !value.empty();
      default:
        return false;  // :status
    }
  });
  if (!ok || method.empty()) return false;
  // An empty Host says that there is none (RFC 9110, 7.2), as an empty authority does (RFC 9113,
  // 8.3.1). gRPC's clients name a target there, such as a list of addresses, or a port by its name.
  const auto readable = [&](std::string_view host) {
    return host.empty() || valid_host(host, Port::kOptional) || bare_ipv6(host) ||
           (is_grpc(fields) && consists_of(host, kInAuthority));
  };
  if (authority && !authority_sound && !readable(*authority)) return false;
  if (seen.host && !readable(*seen.host)) return false;
  // With two different hosts, a server behind might believe the other one.
  if (seen.host && authority && !same_authority(scheme, *authority, *seen.host)) return false;
  facts.content_length = seen.content_length;
  facts.connect = method == "CONNECT";
  if (facts.connect && !protocol)
    return path.empty() && scheme.empty() && valid_host(authority.value_or(""), Port::kRequired);
  if (protocol && !facts.connect) return false;
  if (path.empty() || scheme.empty()) return false;
  return path.front() == '/' || (path == "*" && method == "OPTIONS");
}

bool response_without_blanks(const FieldList& fields, int& status, int64_t& content_length) {
  status = 0;
  Regular seen;
  const bool ok = valid_section(fields, seen, [&](Name id, std::string_view value, bool) {
    if (id != Name::kStatus || value.size() != 3) return false;
    for (const char c : value) {
      if (!digit(c)) return false;
      status = status * 10 + (c - '0');
    }
    return true;
  });
  content_length = seen.content_length;
  return ok && status >= 100 && status != 101;  // 8.6
}

bool trailers_without_blanks(const FieldList& fields) {
  Regular seen;
  return valid_section(fields, seen, [](Name, std::string_view, bool) { return false; });
}

}  // namespace

bool valid_host(std::string_view authority, Port port) {
  size_t end = std::min(authority.find(':'), authority.size());
  if (authority.starts_with('[')) {
    end = authority.find(']');
    if (end == std::string_view::npos) return false;
    const std::string_view address = authority.substr(1, end - 1);
    // RFC 3986, 3.2.2: an IPv6 address, or "v", a version, a dot and a later version's address.
    const size_t dot = address.find('.');
    const bool later = dot != std::string_view::npos && dot > 1 && lower(address[0]) == 'v';
    if (address.find(':') == std::string_view::npos && !later) return false;
    for (const char c : address)
      if (c != ':' && c != '%' && !consists_of({&c, 1}, kInHost)) return false;
    ++end;
  } else if (!valid_name_of_host(authority.substr(0, end))) {
    return false;
  }
  const std::string_view rest = authority.substr(end);
  if (rest.empty()) return port == Port::kOptional;
  return rest.front() == ':' && std::all_of(rest.begin() + 1, rest.end(), digit) &&
         (port == Port::kOptional || rest.size() > 1);
}

bool bare_ipv6(std::string_view text) {
  return std::count(text.begin(), text.end(), ':') >= 2 &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return hexadecimal(c) || c == ':' || c == '.'; });
}

std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
  const auto colons = std::count(authority.begin(), authority.end(), ':');
  // Eight groups are a whole address of IPv6, so that a ninth one is a port.
  const bool nine_groups = colons == 8 && authority.find("::") == std::string_view::npos;
  return colons == 1 || nine_groups ? authority.substr(0, authority.rfind(':')) : authority;
}

bool same_variable(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return (x == '_' ? '-' : x) == (y == '_' ? '-' : y);
         });
}

bool sound(std::string_view name, std::string_view value) {
  if (!name.empty() && name.front() == ':') {
    const Name id = name_of(name);
    return id == Name::kAuthority ? valid_host(value, Port::kOptional)
                                  : valid_pseudo_value(id, value);
  }
  return valid_name(name) && valid_value(value);
}

bool valid_request(FieldList& fields, bool extended_connect, RequestFacts& facts) {
  return request_without_blanks(fields, extended_connect, facts) ||
         (strip_blanks(fields) && request_without_blanks(fields, extended_connect, facts));
}

bool valid_response(FieldList& fields, int& status, int64_t& content_length) {
  return response_without_blanks(fields, status, content_length) ||
         (strip_blanks(fields) && response_without_blanks(fields, status, content_length));
}

bool valid_trailers(FieldList& fields) {
  return trailers_without_blanks(fields) ||
         (strip_blanks(fields) && trailers_without_blanks(fields));
}

}  // namespace sluice::http
