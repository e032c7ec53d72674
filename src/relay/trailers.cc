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
    "via",  // routing
    "authorization",
    "proxy-authorization",
    "cookie",  // authentication
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

bool early(const http::Field& f) {
  return http::same_variable(f.name.substr(0, kForwarded.size()), kForwarded) ||
         std::any_of(kEarly.begin(), kEarly.end(),
                     [&f](std::string_view name) { return http::same_variable(f.name, name); });
}

}  // namespace

size_t drop_early_fields(http::FieldList& trailers) {
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
