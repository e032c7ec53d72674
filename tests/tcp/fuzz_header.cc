// libFuzzer: any bytes as a TCP header with options. What is parsed can be written, and says the
// same when it is read again.

#include <array>

#include "tcp/header.h"

using namespace sluice;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto first = tcp::parse({data, size});
  if (!first) return 0;
  require(first->size >= tcp::kMinHeader && first->size <= tcp::kMaxHeader && first->size <= size);
  const tcp::Options& o = first->header.options;
  require(o.sack_count <= o.sacks.size());
  require(!o.scale || *o.scale <= 255);

  std::array<uint8_t, tcp::kMaxHeader> bytes;
  const size_t n = tcp::emit(first->header, bytes);
  require(n >= tcp::kMinHeader && n <= tcp::kMaxHeader && n % 4 == 0);
  const auto second = tcp::parse({bytes.data(), n});
  require(second && second->size == n);
  const tcp::Header& a = first->header;
  const tcp::Header& b = second->header;
  require(a.source_port == b.source_port && a.destination_port == b.destination_port);
  require(a.seq == b.seq && a.ack == b.ack && a.flags == b.flags && a.window == b.window);
  const tcp::Options& p = second->header.options;
  require(o.mss == p.mss && o.scale == p.scale && o.sack_permitted == p.sack_permitted);
  require(o.timestamps == p.timestamps && o.ts_value == p.ts_value && o.ts_echo == p.ts_echo);
  // Blocks may be cut where timestamps and the like leave no room for all.
  require(p.sack_count <= o.sack_count);
  for (size_t i = 0; i < p.sack_count; ++i)
    require(o.sacks[i].begin == p.sacks[i].begin && o.sacks[i].end == p.sacks[i].end);
  return 0;
}
