#pragma once
// The dynamic table of one connection's decoder (RFC 7541, 2.3.2 and 4): a ring of 32-bit entries,
// each the handle of a shared record or the place of a private copy. Private copies stand in a ring
// of bytes. Fields that are new in every call (grpc-timeout) come and go there in the order of
// eviction, at three bytes beside the value. Both rings grow as they are used; an idle connection
// with the headers of a usual gRPC client takes some hundred bytes.

#include <cstdint>

#include "buf/account.h"
#include "http2/hpack/shared.h"

namespace sluice::http2::hpack {

class DecoderTable : public RecordHolder {
 public:
  explicit DecoderTable(Shared& shared) : shared_(shared) {}
  ~DecoderTable();
  DecoderTable(const DecoderTable&) = delete;

  uint32_t count() const { return inserted_ - evicted_; }
  uint32_t size() const { return size_; }
  uint32_t max_size() const { return max_size_; }
  // Evicts what does not fit (4.3). At most kMaxSize.
  void set_max_size(uint32_t bytes);
  static constexpr uint32_t kMaxSize = 65'536;

  // Entries are numbered by age: the newest is 0, and age < count(). Returns the record's handle,
  // or 0 for a private copy.
  uint32_t handle(uint32_t age) const {
    const uint32_t e = ring_[slot(inserted_ - 1 - age)];
    return (e & kPrivate) != 0 ? 0 : e;
  }
  // The facts of a private copy. `text` is null; copy_text and copy_name write the text.
  FieldText private_field(uint32_t age) const;
  // name_size, or name_size + value_size bytes.
  void copy_name(uint32_t age, const FieldText& f, char* to) const;
  void copy_text(uint32_t age, const FieldText& f, char* to) const;
  // A private copy is used again. The entry becomes the record `handle`, and takes over its
  // reference.
  void promote(uint32_t age, uint32_t handle) {
    ring_[slot(inserted_ - 1 - age)] = handle;
    shared_.holders.has(*this, handle);
  }
  // The connection has less than its part of the records.
  bool may_make_record() { return shared_.holders.may_make(*this); }

  // `f` may not point into this table.
  void insert(const FieldText& f);

  // Heap bytes of the two rings.
  uint32_t memory() const { return entries_capacity_ * 4 + bytes_capacity_; }
  // The account that is charged for memory(). To be set while there is none; outlives the table.
  void set_account(buf::Account* account) { account_ = account; }

 private:
  static constexpr uint32_t kPrivate = 0x8000'0000;
  static constexpr uint32_t kOffset = kPrivate - 1;
  static constexpr uint32_t kFirstEntries = 16;
  static constexpr uint32_t kFirstBytes = 128;

  uint32_t slot(uint32_t number) const { return number & (entries_capacity_ - 1); }
  // The header of a private copy, in a byte and the size of its value. The byte is a known name or
  // an entry of the static table, or says that the name's size and the name follow.
  struct Header;
  Header header(uint32_t offset) const;
  uint32_t field_size(uint32_t entry) const;
  void evict_oldest();
  void give_back() override;
  uint32_t store(const FieldText& f);
  // The header of a private copy of `f`, and how many bytes of the name it replaces.
  struct NewHeader {
    uint8_t bytes[5];
    uint32_t size;
    uint32_t skip;
  };
  static NewHeader header_for(const FieldText& f);
  bool fits(uint32_t n);
  void grow_bytes(uint32_t n);
  void grow_entries();
  // Tells the account that memory() is not `before` any more.
  void charge(uint32_t before) {
    if (account_ != nullptr) account_->charge_lasting(int64_t{memory()} - before);
  }
  uint8_t byte(uint32_t offset) const { return bytes_[offset & (bytes_capacity_ - 1)]; }
  void read(uint32_t offset, void* to, uint32_t n) const;
  void write(uint32_t offset, const void* from, uint32_t n);

  Shared& shared_;
  buf::Account* account_ = nullptr;
  uint32_t* ring_ = nullptr;
  uint8_t* bytes_ = nullptr;
  uint32_t inserted_ = 0;  // entries ever; all counters wrap together
  uint32_t evicted_ = 0;
  uint32_t size_ = 0;  // as 4.1 counts
  uint32_t max_size_ = 4096;
  uint32_t entries_capacity_ = 0;  // a power of two, as is the other
  uint32_t bytes_capacity_ = 0;
  uint32_t bytes_begin_ = 0;  // at or before the oldest private copy; offsets wrap at 2^31
  uint32_t bytes_end_ = 0;
};

}  // namespace sluice::http2::hpack
