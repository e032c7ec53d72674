#pragma once
// Header fields that are worth knowing: one record for each name and value that the dynamic tables
// of a worker's connections share. A connection's table is then a ring of 32-bit handles, a
// million idle connections with the same headers keep the strings once, and a field that was
// decoded on one connection is encoded on another by its handle, without looking at its text.
//
// A field becomes a record when it is seen for the second time: by an index of some connection's
// table, or, if it is short, as the same literal again. What is fresh in every call (deadlines,
// trace ids) never costs more than a note.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "base/hash.h"
#include "http2/http.h"
#include "stats/http2.h"

namespace sluice::http2::hpack {

// Name and value, one behind the other, and what is known about them.
struct FieldText {
  const char* text;
  uint32_t name_size;
  uint32_t value_size;
  Name id;
  uint8_t static_name;

  uint32_t size() const { return name_size + value_size; }
};

class FieldTable {
 public:
  // Records live in one region of address space, of which only what was ever used becomes memory.
  // Beyond it fields cross as literals.
  static constexpr size_t kBytes = 16 << 20;
  // Bytes of the longest field: a table of 4 KiB, which is what nearly every peer has, holds none
  // of more than 4,064. What a client can name with a byte, a pod can then be told with one.
  static constexpr uint32_t kMaxText = 4'076;

  // Bytes of the longest literal that is looked up. Two bytes of input may be a literal with the
  // name of a long one before it, so that what a literal costs must not grow with its text: hashing
  // is by far the most of that. Longer ones wait until they are used by their index.
  static constexpr uint32_t kMaxLiteral = 256;

  struct Record {
    uint32_t references;  // entries of dynamic tables; 0 frees it
    uint32_t generation;  // later than that of any record that had one of its granules before
    uint32_t hash;
    uint16_t name_size;
    uint16_t value_size;
    Name id;
    uint8_t static_name;
    uint8_t order;  // its block has 2^order granules
    bool sound;     // as Field::sound

    const char* text() const { return reinterpret_cast<const char*>(this) + sizeof(Record); }
    FieldText field() const { return {text(), name_size, value_size, id, static_name}; }
    // As RFC 7541, 4.1 counts it.
    uint32_t size() const { return 32u + name_size + value_size; }
  };

  // key: secret, so that no peer can choose fields that collide. bytes: a power of two; one record
  // for 128 of them is the most there can be.
  FieldTable(const SipKey& key, stats::Http2& stats, size_t bytes = kBytes);
  ~FieldTable();
  FieldTable(const FieldTable&) = delete;

  // handle: that of a live record, or 1 to 61.
  const Record& operator[](uint32_t handle) const { return *at(handle); }
  FieldRef ref(uint32_t handle) const { return {handle, at(handle)->generation}; }
  // Whether r's record is still there. Where blocks have been joined since, text may stand in the
  // place of its header, and say anything.
  bool current(FieldRef r) const {
    return begins(r.handle) && at(r.handle)->generation == r.generation;
  }

  // For a literal that enters a dynamic table: the handle of its record, referenced, or 0 when it
  // is seen for the first time, or longer than kMaxLiteral. make: a new record may be made.
  uint32_t share(const FieldText& f, bool make = true);
  // For a field that is used again: makes the record if need be. 0 when there is no room.
  uint32_t intern(const FieldText& f, bool make = true);

  void retain(uint32_t handle) { ++at(handle)->references; }
  // True when it was the last reference, and the record went.
  bool release(uint32_t handle) {
    if (--at(handle)->references != 0) return false;
    free(handle);
    return true;
  }

  // What there is of the table, what is left, and what a record takes: of memory, and of the number
  // of records, whichever is more.
  uint32_t units() const { return granules_; }
  uint32_t free_units() const { return granules_ - used_units_; }
  uint32_t units_of(uint32_t handle) const { return std::max(1u << at(handle)->order, 2u); }

  uint32_t records() const { return records_; }
  uint32_t max_records() const { return cell_mask_ / 2; }

 private:
  static constexpr uint32_t kGranule = 64;
  static constexpr uint32_t kNotes = 8'192;
  static constexpr unsigned kOrders = 7;                     // blocks of 64 to 4,096 bytes
  static constexpr uint32_t kLargest = 1u << (kOrders - 1);  // granules
  static_assert(kMaxText + sizeof(Record) == kGranule * kLargest);
  // A block of 2^n granules begins at a multiple of as many. It and its buddy, the block that it
  // was split from, differ in bit n of their handles, and are joined when both are free.
  struct Free {           // in the place of a Record
    uint32_t references;  // 0
    uint32_t generation;  // that of the next record here
    uint32_t next;        // of the same size; 0 ends a list
    uint32_t previous;
    uint16_t unused;
    uint8_t order;
  };

  struct Release {
    void operator()(void* p) const { std::free(p); }
  };
  template <class T>
  using Region = std::unique_ptr<T[], Release>;

  Record* at(uint32_t handle) const {
    return reinterpret_cast<Record*>(region_.get() + size_t{handle} * kGranule);
  }
  uint32_t hash(const FieldText& f) const;
  uint32_t find(const FieldText& f, uint32_t hash) const;
  uint32_t create(const FieldText& f, uint32_t hash, bool make);
  Free* free_at(uint32_t handle) const { return reinterpret_cast<Free*>(at(handle)); }
  bool begins(uint32_t handle) const { return (begins_[handle / 64] >> (handle % 64) & 1) != 0; }
  uint32_t take_block(unsigned order);
  void give_block(uint32_t handle, unsigned order, uint32_t generation);
  void unlink(uint32_t handle);
  void free(uint32_t handle);
  // What a free block held may not be read in sanitizer builds; its header may.
  template <void (*kDo)(const void*, size_t)>
  void poison_text(uint32_t handle, unsigned order);
  void write(uint32_t handle, const FieldText& f);

  const SipKey key_;
  const uint32_t granules_;
  const uint32_t cell_mask_;  // twice as many cells as records
  stats::Http2& stats_;
  Region<std::byte> region_;
  // Where generations start: differs from table to table, so that a FieldRef that strays into
  // another worker's table is a stranger there.
  uint32_t first_generation_;
  uint32_t next_ = 0;            // the first granule that was never used
  uint32_t free_[kOrders] = {};  // the first free block of each size
  Region<uint64_t> begins_;      // a bit for each granule: a block begins, free or not
  Region<uint32_t> cells_;       // open addressing with linear probing
  Region<uint16_t> notes_;       // fields seen once: 16 bits of their hash, by the rest of it
  uint32_t records_ = 0;
  uint32_t used_units_ = 0;
};

}  // namespace sluice::http2::hpack
