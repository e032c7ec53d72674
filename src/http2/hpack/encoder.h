#pragma once
// Fields to field blocks (RFC 7541), for one direction of one connection.
//
// The dynamic table takes fields that have a record, that is, that were seen twice on some
// connection of the worker, when this connection sends them for the second time within a few. So
// what one client repeats (its own token, say) does not push out what all clients share. A field as
// large as half of the table goes in only when it is repeated with no other such field between.

#include <cstdint>

#include "buf/slice.h"
#include "http2/hpack/encoder_table.h"
#include "http2/http.h"

namespace sluice::http2::hpack {

class Encoder {
 public:
  static constexpr uint32_t kDefaultTableSize = 4096;  // SETTINGS_HEADER_TABLE_SIZE until heard of

  // cap: bytes of table that we use at most.
  Encoder(Shared& shared, uint32_t cap);

  // The peer's SETTINGS_HEADER_TABLE_SIZE. The next block begins with the size update.
  void set_table_size(uint32_t bytes);

  // The block, valid until the next call of any encoder of the worker.
  buf::View encode(const FieldList& fields);

  const EncoderTable& table() const { return table_; }
  // The account that is charged for the table. To be set before the first block; outlives this.
  void set_account(buf::Account* account) { table_.set_account(account); }

 private:
  static constexpr uint32_t kCandidates = 32;

  uint8_t* size_updates(uint8_t* p);
  uint8_t* write_indexed(uint8_t* p, FieldRef ref) const;
  // field: stands for the field of the record.
  bool second_time(uint32_t handle, uint32_t field);
  uint8_t* write_unread(uint8_t* p, const Field& f, size_t& coded, uint32_t& indexed);

  EncoderTable table_;
  Shared& shared_;
  uint32_t cap_;
  uint32_t lowest_;  // of the sizes since the last block
  bool resized_ = false;
  uint8_t next_candidate_ = 0;
  uint16_t large_candidate_ = 0;           // of more than half of the table
  uint16_t candidates_[kCandidates] = {};  // sent once as literals, see second_time()
};

}  // namespace sluice::http2::hpack
