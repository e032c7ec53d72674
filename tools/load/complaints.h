#pragma once
// Says on standard error what the first unexpected blocks were.

#include <algorithm>
#include <cstdio>

#include "buf/slice.h"
#include "http/fields.h"
#include "http2/frame.h"

namespace sluice::load {

class Complaints {
 public:
  static constexpr unsigned kMost = 4;

  // fields: as far as the block could be decoded.
  void about(const char* what, const http2::FrameHeader& h, buf::View block,
             const http::FieldList& fields) {
    if (said_ == kMost) return;
    ++said_;
    std::fprintf(stderr, "sluice-load: %s on stream %u, flags %u, %zu bytes:", what, h.stream,
                 unsigned{h.flags}, block.size());
    for (const uint8_t byte : block.first(std::min<size_t>(block.size(), 64)))
      std::fprintf(stderr, " %02x", byte);
    for (size_t i = 0; i < fields.count(); ++i)
      std::fprintf(stderr, ", %.*s: %.*s", static_cast<int>(fields[i].name.size()),
                   fields[i].name.data(), static_cast<int>(fields[i].value.size()),
                   fields[i].value.data());
    std::fputc('\n', stderr);
  }

 private:
  unsigned said_ = 0;
};

}  // namespace sluice::load
