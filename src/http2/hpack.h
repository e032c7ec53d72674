#pragma once
// HPACK (RFC 7541) behind an interface of our own; for now nghttp2's implementation does the work.

#include <cstdint>
#include <memory>
#include <vector>

#include "buf/slice.h"
#include "http2/fields.h"

struct nghttp2_hd_deflater;
struct nghttp2_hd_inflater;

namespace sluice::http2 {

class HpackDecoder {
 public:
  explicit HpackDecoder(uint32_t table_size);

  enum class Result : uint8_t { kOk, kTooLarge, kCompressionError };
  // A whole field block, appended to `out`. kTooLarge: the list went over `max_size` (as
  // FieldList::size counts) and is cut there; the dynamic table is right all the same.
  Result decode(buf::View block, uint32_t max_size, FieldList& out);

 private:
  struct Free {
    void operator()(nghttp2_hd_inflater* p) const;
  };
  std::unique_ptr<nghttp2_hd_inflater, Free> inflater_;
};

class HpackEncoder {
 public:
  explicit HpackEncoder(uint32_t table_size);

  // The peer's SETTINGS_HEADER_TABLE_SIZE; tells it by a table size update in the next block.
  void set_table_size(uint32_t bytes);
  // Replaces the contents of `out` by the block. False when memory is exhausted.
  bool encode(const FieldList& fields, std::vector<uint8_t>& out);

 private:
  struct Free {
    void operator()(nghttp2_hd_deflater* p) const;
  };
  uint32_t max_table_size_;
  std::unique_ptr<nghttp2_hd_deflater, Free> deflater_;
};

}  // namespace sluice::http2
