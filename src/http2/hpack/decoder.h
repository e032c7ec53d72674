#pragma once
// Field blocks to fields (RFC 7541), for one direction of one connection.

#include <cstdint>

#include "buf/slice.h"
#include "http2/hpack/decoder_table.h"
#include "http2/http.h"

namespace sluice::http2::hpack {

class Decoder {
 public:
  // The peer's encoder may use kDefaultTableSize until it knows of another limit (4.2).
  static constexpr uint32_t kDefaultTableSize = 4096;

  explicit Decoder(Shared& shared) : table_(shared), shared_(shared) {}

  // Our SETTINGS_HEADER_TABLE_SIZE, when the peer has acknowledged it: it must not exceed this any
  // more, and if its table was larger, the next block must begin by saying that it shrinks.
  void set_limit(uint32_t bytes);

  enum class Result : uint8_t { kOk, kTooLarge, kExcessive, kCompressionError };
  // A whole field block, appended to `out`; unlisted: see kUnlisted. kTooLarge: the list went over
  // `max_size` (as FieldList::size counts), what came then is left out; the dynamic table is right
  // all the same. kExcessive: far over it, by literals that each take work (kUnlisted). After it,
  // and after kCompressionError, the connection is lost.
  Result decode(buf::View block, uint32_t max_size, FieldList& out, size_t unlisted = kUnlisted);

  // Changes of the table's size in the last block.
  uint32_t size_updates() const { return size_updates_; }

  const DecoderTable& table() const { return table_; }

  // Literals that the list has no room for are made all the same, since those that are inserted
  // change the table; and two bytes of input may make one with a name as long as the table. Of
  // these there may be as many bytes (as 4.1 counts) as the block's own bytes can stand for, and
  // this many lists. Who merely sends too long a list stays below, since its text is in the block:
  // what is left to the lists are the 32 bytes of a field, and names that the table has.
  static constexpr size_t kUnlisted = 4;

 private:
  struct Block;  // one call of decode()
  bool indexed(Block& b);
  bool indexed_private(Block& b, uint32_t age);
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
