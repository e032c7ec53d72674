#include "relay/trailers.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace sluice::relay {
namespace {

constexpr auto kEarly = std::to_array<std::string_view>({
    "content-length",  // framing
    "host",
    "forwarded",
    "via",
    "x-forwarded-for",  // routing
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

bool early(const http::Field& f) {
  return std::find(kEarly.begin(), kEarly.end(), f.name) != kEarly.end();
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
