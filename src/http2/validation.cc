#include "http2/validation.h"

#include <array>
#include <charconv>
#include <cstring>

namespace sluice::http2 {
namespace {

// Token characters of RFC 9110, 5.6.2, without upper case (RFC 9113, 8.2.1).
constexpr std::array<bool, 256> name_characters() {
  std::array<bool, 256> ok{};
  for (char c = 'a'; c <= 'z'; ++c) ok[static_cast<unsigned char>(c)] = true;
  for (char c = '0'; c <= '9'; ++c) ok[static_cast<unsigned char>(c)] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) ok[static_cast<unsigned char>(c)] = true;
  return ok;
}
constexpr auto kNameCharacter = name_characters();

bool valid_name(std::string_view name) {
  if (name.empty()) return false;
  for (const char c : name)
    if (!kNameCharacter[static_cast<unsigned char>(c)]) return false;
  return true;
}

bool valid_value(std::string_view value) {
  if (value.empty()) return true;
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  if (blank(value.front()) || blank(value.back())) return false;
  // Eight at a time; a byte is zero where the subtraction borrows from its top bit.
  constexpr uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  const auto has_zero = [](uint64_t x) { return (x - kOnes) & ~x & kTops; };
  const char* p = value.data();
  size_t left = value.size();
  for (; left >= 8; left -= 8, p += 8) {
    uint64_t x;
    std::memcpy(&x, p, 8);
    if ((has_zero(x) | has_zero(x ^ kOnes * '\r') | has_zero(x ^ kOnes * '\n')) != 0) return false;
  }
  for (; left > 0; --left, ++p)
    if (*p == '\0' || *p == '\r' || *p == '\n') return false;
  return true;
}

// Anything but a pseudo-header field.
bool valid_regular(const Field& f, int64_t& content_length) {
  if (!f.sound && !valid_name(f.name)) return false;
  switch (f.id) {
    case Name::kConnection:
    case Name::kKeepAlive:
    case Name::kProxyConnection:
    case Name::kTransferEncoding:
    case Name::kUpgrade:
      return false;
    case Name::kTe:
      return f.value == "trailers";
    case Name::kContentLength: {
      uint64_t n = 0;
      const char* end = f.value.data() + f.value.size();
      const auto [at, error] = std::from_chars(f.value.data(), end, n);
      if (error != std::errc() || at != end || n > INT64_MAX) return false;
      const auto length = static_cast<int64_t>(n);
      if (content_length >= 0 && content_length != length) return false;
      content_length = length;
      return true;
    }
    default:
      return true;
  }
}

// Every pseudo-header field at most once, all of them in front. on_pseudo(id, value) says whether
// the field belongs here.
template <class Fn>
bool valid_section(const FieldList& fields, int64_t& content_length, Fn&& on_pseudo) {
  content_length = -1;
  bool regular_seen = false;
  uint32_t pseudo_seen = 0;
  for (const Field f : fields) {
    if (!f.sound && !valid_value(f.value)) return false;
    if (!f.name.empty() && f.name.front() == ':') {
      const uint32_t bit = 1u << static_cast<unsigned>(f.id);
      if (regular_seen || f.id == Name::kOther || (pseudo_seen & bit) != 0) return false;
      pseudo_seen |= bit;
      if (!on_pseudo(f.id, f.value)) return false;
    } else {
      regular_seen = true;
      if (!valid_regular(f, content_length)) return false;
    }
  }
  return true;
}

}  // namespace

bool sound(std::string_view name, std::string_view value) {
  if (!name.empty() && name.front() == ':') name.remove_prefix(1);
  return valid_name(name) && valid_value(value);
}

bool valid_request(const FieldList& fields, bool extended_connect, RequestFacts& facts) {
  std::string_view method, path, scheme, authority;
  bool protocol = false;
  const bool ok = valid_section(fields, facts.content_length, [&](Name id, std::string_view value) {
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
        return true;
      case Name::kProtocol:
        protocol = true;
        return extended_connect && !value.empty();
      default:
        return false;  // :status
    }
  });
  if (!ok || method.empty()) return false;
  facts.connect = method == "CONNECT";
  if (facts.connect && !protocol) return path.empty() && scheme.empty() && !authority.empty();
  if (protocol && !facts.connect) return false;
  return !path.empty() && !scheme.empty() && (path.front() == '/' || path == "*");
}

bool valid_response(const FieldList& fields, int& status, int64_t& content_length) {
  status = 0;
  const bool ok = valid_section(fields, content_length, [&](Name id, std::string_view value) {
    if (id != Name::kStatus || value.size() != 3) return false;
    for (const char c : value) {
      if (c < '0' || c > '9') return false;
      status = status * 10 + (c - '0');
    }
    return true;
  });
  return ok && status >= 100 && status != 101;
}

bool valid_trailers(const FieldList& fields) {
  int64_t content_length;
  return valid_section(fields, content_length, [](Name, std::string_view) { return false; });
}

}  // namespace sluice::http2
