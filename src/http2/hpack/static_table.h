#pragma once
// The static table (RFC 7541, appendix A).

#include <array>
#include <cstdint>
#include <string_view>

#include "http2/http.h"

namespace sluice::http2::hpack {

struct StaticEntry {
  std::string_view name;
  std::string_view value;
};

inline constexpr uint32_t kStaticEntries = 61;

// Entry 1 stands first.
inline constexpr std::array<StaticEntry, kStaticEntries> kStaticTable{{
    {":authority", ""},
    {":method", "GET"},
    {":method", "POST"},
    {":path", "/"},
    {":path", "/index.html"},
    {":scheme", "http"},
    {":scheme", "https"},
    {":status", "200"},
    {":status", "204"},
    {":status", "206"},
    {":status", "304"},
    {":status", "400"},
    {":status", "404"},
    {":status", "500"},
    {"accept-charset", ""},
    {"accept-encoding", "gzip, deflate"},
    {"accept-language", ""},
    {"accept-ranges", ""},
    {"accept", ""},
    {"access-control-allow-origin", ""},
    {"age", ""},
    {"allow", ""},
    {"authorization", ""},
    {"cache-control", ""},
    {"content-disposition", ""},
    {"content-encoding", ""},
    {"content-language", ""},
    {"content-length", ""},
    {"content-location", ""},
    {"content-range", ""},
    {"content-type", ""},
    {"cookie", ""},
    {"date", ""},
    {"etag", ""},
    {"expect", ""},
    {"expires", ""},
    {"from", ""},
    {"host", ""},
    {"if-match", ""},
    {"if-modified-since", ""},
    {"if-none-match", ""},
    {"if-range", ""},
    {"if-unmodified-since", ""},
    {"last-modified", ""},
    {"link", ""},
    {"location", ""},
    {"max-forwards", ""},
    {"proxy-authenticate", ""},
    {"proxy-authorization", ""},
    {"range", ""},
    {"referer", ""},
    {"refresh", ""},
    {"retry-after", ""},
    {"server", ""},
    {"set-cookie", ""},
    {"strict-transport-security", ""},
    {"transfer-encoding", ""},
    {"user-agent", ""},
    {"vary", ""},
    {"via", ""},
    {"www-authenticate", ""},
}};

// The first entry with this name; 0 when there is none.
uint8_t static_name_of(std::string_view name);
uint8_t static_name_of(Name name);

// The entry with this name and value; 0 when there is none. Only for names to which the table has
// values: pseudo-header fields.
uint8_t static_entry_of(Name name, std::string_view value);

// Names whose short values are secrets (RFC 7541, 7.1.3). The argument comes from static_name_of.
constexpr bool is_credential(uint8_t static_name) {
  return static_name == 23 || static_name == 32 || static_name == 49 || static_name == 55;
}
static_assert(kStaticTable[23 - 1].name == "authorization" &&
              kStaticTable[32 - 1].name == "cookie" &&
              kStaticTable[49 - 1].name == "proxy-authorization" &&
              kStaticTable[55 - 1].name == "set-cookie");

}  // namespace sluice::http2::hpack
