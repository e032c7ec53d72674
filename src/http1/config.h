#pragma once
// Limits and guards of an HTTP/1.1 connection.

#include <cstdint>

#include "config/guards.h"

namespace sluice::http1 {

struct Config {
  // Bytes of a head or of a trailer section on the wire, and of its fields as FieldList::size()
  // counts them.
  uint32_t max_header_list_size = 16'384;
  // Outlives the connection. Its values may change while the connection lives.
  const config::Guards* guards = &config::kDefaultGuards;
};

// Body bytes below which copying beats sharing.
inline constexpr uint32_t kCopyBreak = 256;

}  // namespace sluice::http1
