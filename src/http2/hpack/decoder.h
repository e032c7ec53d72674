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

  // Sets our SETTINGS_HEADER_TABLE_SIZE, once the peer has acknowledged it. The peer must not
  // exceed it any more. If the peer's table was larger, the next block must begin with a size
  // update.
  void set_limit(uint32_t bytes);

  enum class Result : uint8_t { kOk, kTooLarge, kExcessive, kCompressionError };
  // Decodes a whole field block and appends its fields to `out`. kTooLarge: the list exceeded
  // `max_size` (as FieldList::size counts). The fields beyond are left out; the dynamic table is
  // right all the same. kExcessive: the list is far too large, by literals that each take work
  // (unlisted: see kUnlisted). After kExcessive and kCompressionError the connection is lost.
  Result decode(buf::View block, uint32_t max_size, FieldList& out, size_t unlisted = kUnlisted);

  // The number of size updates in the last block.
  uint32_t size_updates() const { return size_updates_; }

  const DecoderTable& table() const { return table_; }
  // The account that is charged for the table. To be set before the first block; outlives this.
  void set_account(buf::Account* account) { table_.set_account(account); }

  // Literals are made even when the list has no room for them, since those that are inserted change
  // the table. But two bytes of input may make a literal with a name as long as the table. So their
  // bytes (as 4.1 counts) are bounded by the bytes that the block itself can stand for, and this
  // many lists. A peer that merely sends too long a list stays below the bound, since its text is
  // in the block: the lists only have to cover the 32 bytes of each field, and names from the
  // table.
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
