#pragma once
// Recognises a field block that says what the one before it said, without decoding it: it has the
// same bytes, and neither changed the dynamic table (RFC 7541, 2.3.2), so neither did its meaning.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "buf/slice.h"
#include "http2/hpack/integer.h"

namespace sluice::load {

// Whether decoding the block may change the dynamic table. Malformed ones do.
inline bool changes_table(buf::View block) {
  using http2::hpack::read_integer;
  const uint8_t* p = block.data();
  const uint8_t* end = p + block.size();
  uint32_t n = 0;
  while (p < end) {
    if ((*p & 0x80) != 0) {
      if (!read_integer<7>(p, end, n)) return true;
      continue;
    }
    if ((*p & 0x60) != 0) return true;  // with incremental indexing, or a size update
    if (!read_integer<4>(p, end, n)) return true;
    for (int strings = n == 0 ? 2 : 1; strings > 0; --strings) {
      if (p >= end || !read_integer<7>(p, end, n) || n > static_cast<size_t>(end - p)) return true;
      p += n;
    }
  }
  return false;
}

class ExpectedBlock {
 public:
  bool is(buf::View block) const {
    return !bytes_.empty() && block.size() == bytes_.size() &&
           std::equal(block.begin(), block.end(), bytes_.begin());
  }
  void learn(buf::View block) { bytes_.assign(block.begin(), block.end()); }
  void forget() { bytes_.clear(); }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace sluice::load
