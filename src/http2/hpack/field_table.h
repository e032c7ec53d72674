#pragma once
// One record for each name and value that the dynamic tables of a worker's connections share. The
// table of a connection is then a ring of 32-bit handles. A million idle connections with the same
// headers keep the strings once. A field that was decoded on one connection is encoded on another
// by its handle, without a look at its text.
//
// A field becomes a record when it is seen for the second time: by an index of some connection's
// table, or, if it is short, as the same literal again. Fields that are new in every call
// (deadlines, trace ids) never cost more than a note.

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

// Name and value, the value behind the name, and the known facts about them.
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
  // Records live in one region of address space. Only the part that was ever used becomes memory.
  // When the region is full, fields cross as literals.
  static constexpr size_t kBytes = 16 << 20;
  // Bytes of the longest field. A table of 4 KiB, the size of nearly every peer's, holds no field
  // of more than 4,064. So a field that a client names with one byte can be named to a pod with one
  // byte.
  static constexpr uint32_t kMaxText = 4'076;

  // Bytes of the longest literal that is looked up. Two bytes of input may be a literal with the
  // name of an earlier, long one. So the cost of a literal must not grow with its text, and hashing
  // is by far the largest part of the cost. A longer literal becomes a record when it is used by
  // its index.
  static constexpr uint32_t kMaxLiteral = 256;

  struct Record {
    uint32_t references;  // from entries of dynamic tables; 0 frees the record
    uint32_t generation;  // later than that of any earlier record in its granules
    uint32_t hash;
    uint16_t name_size;
    uint16_t value_size;
    Name id;
    uint8_t static_name;
    uint8_t order;  // the record's block has 2^order granules
    bool sound;     // as Field::sound

    const char* text() const { return reinterpret_cast<const char*>(this) + sizeof(Record); }
    FieldText field() const { return {text(), name_size, value_size, id, static_name}; }
    // The size as RFC 7541, 4.1 counts it.
    uint32_t size() const { return 32u + name_size + value_size; }
  };

  // key: secret, so that no peer can choose fields that collide. bytes: a power of two; there is at
  // most one record for 128 of them.
  FieldTable(const SipKey& key, stats::Http2& stats, size_t bytes = kBytes);
  ~FieldTable();
  FieldTable(const FieldTable&) = delete;

  // handle: of a live record, or 1 to 61.
  const Record& operator[](uint32_t handle) const { return *at(handle); }
  FieldRef ref(uint32_t handle) const { return {handle, at(handle)->generation}; }
  // Whether the record of `r` still exists. Where blocks were joined since, the record's header may
  // have been overwritten by text, with any value.
  bool current(FieldRef r) const {
    return begins(r.handle) && at(r.handle)->generation == r.generation;
  }

  // For a literal that enters a dynamic table: the handle of its record, with a reference; 0 when
  // it is seen for the first time, or is longer than kMaxLiteral. make: a new record may be made.
  uint32_t share(const FieldText& f, bool make = true);
  // For a field that is used again: makes the record if needed. 0 when there is no room.
  uint32_t intern(const FieldText& f, bool make = true);

  // For a field that no table decoded: the same as share(), and without a reference as find_ref().
  uint32_t share(std::string_view name, std::string_view value, Name id);
  // The record with this text; handle 0 when there is none.
  FieldRef find_ref(std::string_view name, std::string_view value) const;

  void retain(uint32_t handle) { ++at(handle)->references; }
  // True when this was the last reference and the record was freed.
  bool release(uint32_t handle) {
    if (--at(handle)->references != 0) return false;
    free(handle);
    return true;
  }

  // Sizes of the table: all units, the free units, and the units of a record. A record counts in
  // memory or in number of records, whichever is the larger part.
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
  // A block of 2^n granules begins at a multiple of 2^n. A block and its buddy, with which it was
  // one block, differ in bit n of their handles. They are joined when both are free.
  struct Free {           // at the place of a Record
    uint32_t references;  // 0
    uint32_t generation;  // of the next record here
    uint32_t next;        // next block of the same size; 0 ends a list
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
  // In sanitizer builds the content of a free block is poisoned; its header is not.
  template <void (*kDo)(const void*, size_t)>
  void poison_text(uint32_t handle, unsigned order);
  void write(uint32_t handle, const FieldText& f);

  const SipKey key_;
  const uint32_t granules_;
  const uint32_t cell_mask_;  // twice as many cells as records
  stats::Http2& stats_;
  Region<std::byte> region_;
  // The first generation. It differs from table to table, so that a FieldRef of another worker's
  // table is never current here.
  uint32_t first_generation_;
  uint32_t next_ = 0;            // the first granule that was never used
  uint32_t free_[kOrders] = {};  // the first free block of each size
  Region<uint64_t> begins_;      // a bit for each granule: a block begins here, free or not
  Region<uint32_t> cells_;       // open addressing with linear probing
  Region<uint16_t> notes_;       // fields seen once: 16 bits of their hash, by the rest of it
  uint32_t records_ = 0;
  uint32_t used_units_ = 0;
};

}  // namespace sluice::http2::hpack
