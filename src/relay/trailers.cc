#include "relay/trailers.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "http/validation.h"

namespace sluice::relay {
namespace {

constexpr auto kEarly = std::to_array<std::string_view>({
    "content-length",  // framing
    "host",
    "forwarded",
    "via",
    "location",  // routing
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "www-authenticate",
    "proxy-authenticate",  // authentication
    "cache-control",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",  // modifiers
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "pragma",
    "range",
    "te",
    "content-encoding",
    "content-range",
    "content-type",
    "trailer",  // content
});

// X-Forwarded-For, X-Forwarded-Client-Cert, and all others by which a proxy vouches for something.
constexpr std::string_view kForwarded = "x-forwarded-";

// A bit for each length of a name in kEarly. Most other names have another length.
constexpr uint32_t kLengths = [] {
  uint32_t lengths = 0;
  for (const std::string_view name : kEarly) lengths |= uint32_t{1} << name.size();
  return lengths;
}();

bool early(const http::Field& f) {
  const size_t n = f.name.size();
  if (n >= kForwarded.size() && f.name[0] == 'x' &&
      http::same_variable(f.name.substr(0, kForwarded.size()), kForwarded))
    return true;
  if (n >= 32 || (kLengths >> n & 1) == 0) return false;
  return std::any_of(kEarly.begin(), kEarly.end(), [&f](std::string_view name) {
    return name.size() == f.name.size() && name[0] == f.name[0] &&
           http::same_variable(f.name, name);
  });
}

}  // namespace

size_t drop_early_fields(http::FieldList& trailers) {
  if (!may_have_early_fields(trailers)) return 0;
  size_t dropped = 0;
  for (const http::Field f : trailers) dropped += early(f);
  if (dropped == 0) [[likely]]
    return 0;
  http::FieldList rest;
  for (const http::Field f : trailers)
    if (!early(f)) rest.add(f.name, f.value, f.id, f.never_indexed);
  trailers.swap(rest);
  return dropped;
}

}  // namespace sluice::relay
