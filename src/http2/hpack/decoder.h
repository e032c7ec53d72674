#pragma once
// Field blocks to fields (RFC 7541), for one direction of one connection.

#include <cstdint>

#include "buf/slice.h"
#include "http2/fields.h"
#include "http2/hpack/decoder_table.h"

namespace sluice::http2::hpack {

class Decoder {
 public:
  // The peer's encoder may use kDefaultTableSize until it knows of another limit (4.2).
  static constexpr uint32_t kDefaultTableSize = 4096;

  explicit Decoder(Shared& shared) : table_(shared), shared_(shared) {}

  // Our SETTINGS_HEADER_TABLE_SIZE, when the peer has acknowledged it: it must not exceed this any
  // more, and if its table was larger, the next block must begin by saying that it shrinks.
  void set_limit(uint32_t bytes);

  enum class Result : uint8_t { kOk, kTooLarge, kCompressionError };
  // A whole field block, appended to `out`. kTooLarge: the list went over `max_size` (as
  // FieldList::size counts), what came then is left out; the dynamic table is right all the same.
  // After kCompressionError the connection is lost.
  Result decode(buf::View block, uint32_t max_size, FieldList& out);

  // Changes of the table's size in the last block.
  uint32_t size_updates() const { return size_updates_; }

  const DecoderTable& table() const { return table_; }

 private:
  struct Block;  // one call of decode()
  bool indexed(Block& b);
  bool literal(Block& b, bool insert, bool never_indexed, uint32_t name_index);
  bool skip(Block& b);  // an indexed field, or a literal that is not inserted
  bool size_update(Block& b);

  DecoderTable table_;
  Shared& shared_;
  uint32_t size_updates_ = 0;
  uint32_t limit_ = kDefaultTableSize;
  uint32_t required_ = UINT32_MAX;  // the next block must begin with a size of at most this
};

}  // namespace sluice::http2::hpack
