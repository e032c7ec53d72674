#include "http2/hpack/decoder_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "http2/hpack/static_table.h"

namespace sluice::http2::hpack {

namespace {
// The first byte of a private copy: a Name below kStaticName, from there on an entry of the static
// table, or kOwnName.
constexpr uint8_t kStaticName = 128;
constexpr uint8_t kOwnName = 255;
static_assert(kNameCount <= kStaticName && kStaticName + kStaticEntries < kOwnName);
}  // namespace

struct DecoderTable::Header {
  uint32_t size;  // of the header itself
  uint32_t name_size;
  uint32_t value_size;
  const char* name;  // null: the name stands behind the header
  Name id;
  uint8_t static_name;
  uint32_t stored() const { return size + (name == nullptr ? name_size : 0) + value_size; }
};

DecoderTable::~DecoderTable() {
  while (count() > 0) evict_oldest();
  if (ring_ != nullptr) shared_.blocks.give(ring_, entries_capacity_ * sizeof(uint32_t));
  if (bytes_ != nullptr) shared_.blocks.give(bytes_, bytes_capacity_);
  if (account_ != nullptr) account_->charge_lasting(-int64_t{memory()});
}

void DecoderTable::set_max_size(uint32_t bytes) {
  max_size_ = std::min(bytes, kMaxSize);
  while (size_ > max_size_) evict_oldest();
}

void DecoderTable::read(uint32_t offset, void* to, uint32_t n) const {
  const uint32_t at = offset & (bytes_capacity_ - 1);
  const uint32_t first = std::min(n, bytes_capacity_ - at);
  std::memcpy(to, bytes_ + at, first);
  std::memcpy(static_cast<uint8_t*>(to) + first, bytes_, n - first);
}

void DecoderTable::write(uint32_t offset, const void* from, uint32_t n) {
  const uint32_t at = offset & (bytes_capacity_ - 1);
  const uint32_t first = std::min(n, bytes_capacity_ - at);
  std::memcpy(bytes_ + at, from, first);
  std::memcpy(bytes_, static_cast<const uint8_t*>(from) + first, n - first);
}

DecoderTable::Header DecoderTable::header(uint32_t offset) const {
  Header h;
  const uint8_t kind = byte(offset);
  h.value_size = byte(offset + 1) | uint32_t{byte(offset + 2)} << 8;
  h.size = 3;
  if (kind == kOwnName) {
    h.name_size = byte(offset + 3) | uint32_t{byte(offset + 4)} << 8;
    h.size = 5;
    h.name = nullptr;
    h.id = Name::kOther;
    h.static_name = 0;
    return h;
  }
  std::string_view name;
  if (kind >= kStaticName) {
    h.static_name = static_cast<uint8_t>(kind - kStaticName);
    h.id = Name::kOther;
    name = kStaticTable[h.static_name - 1u].name;
  } else {
    h.id = static_cast<Name>(kind);
    h.static_name = static_name_of(h.id);
    name = text_of(h.id);
  }
  h.name = name.data();
  h.name_size = static_cast<uint32_t>(name.size());
  return h;
}

uint32_t DecoderTable::field_size(uint32_t entry) const {
  if ((entry & kPrivate) == 0) return shared_.fields[entry].size();
  const Header h = header(entry & kOffset);
  return 32 + h.name_size + h.value_size;
}

FieldText DecoderTable::private_field(uint32_t age) const {
  const Header h = header(ring_[slot(inserted_ - 1 - age)] & kOffset);
  return {nullptr, h.name_size, h.value_size, h.id, h.static_name};
}

void DecoderTable::copy_name(uint32_t age, const FieldText& f, char* to) const {
  const uint32_t offset = ring_[slot(inserted_ - 1 - age)] & kOffset;
  const Header h = header(offset);
  if (h.name != nullptr) {
    std::memcpy(to, h.name, f.name_size);
  } else {
    read(offset + h.size, to, f.name_size);
  }
}

void DecoderTable::copy_text(uint32_t age, const FieldText& f, char* to) const {
  const uint32_t offset = ring_[slot(inserted_ - 1 - age)] & kOffset;
  const Header h = header(offset);
  if (h.name != nullptr) {
    std::memcpy(to, h.name, f.name_size);
    read(offset + h.size, to + f.name_size, f.value_size);
  } else {
    read(offset + h.size, to, f.size());
  }
}

void DecoderTable::evict_oldest() {
  const uint32_t e = ring_[slot(evicted_)];
  size_ -= field_size(e);
  ++evicted_;
  if ((e & kPrivate) == 0) shared_.holders.drop(*this, e);
}

// Private copies have to stand in the order of their entries. So all of them are written anew.
void DecoderTable::give_back() {
  uint32_t need = 0;
  for (uint32_t i = evicted_; i != inserted_; ++i) {
    const uint32_t e = ring_[slot(i)];
    if ((e & kPrivate) != 0) {
      need += header(e & kOffset).stored();
    } else {
      const FieldText f = shared_.fields[e].field();
      const NewHeader h = header_for(f);
      need += h.size + f.size() - h.skip;
    }
  }
  const uint32_t capacity = std::max(kFirstBytes, std::bit_ceil(need));
  auto* const bytes = static_cast<uint8_t*>(shared_.blocks.take(capacity));
  uint32_t end = 0;
  for (uint32_t i = evicted_; i != inserted_; ++i) {
    uint32_t& e = ring_[slot(i)];
    const uint32_t begin = end;
    if ((e & kPrivate) != 0) {
      const uint32_t n = header(e & kOffset).stored();
      read(e & kOffset, bytes + end, n);
      end += n;
    } else {
      const FieldText f = shared_.fields[e].field();
      const NewHeader h = header_for(f);
      std::memcpy(bytes + end, h.bytes, h.size);
      std::memcpy(bytes + end + h.size, f.text + h.skip, f.size() - h.skip);
      end += h.size + f.size() - h.skip;
      shared_.holders.drop(*this, e);
    }
    e = begin | kPrivate;
  }
  if (bytes_ != nullptr) shared_.blocks.give(bytes_, bytes_capacity_);
  const uint32_t before = memory();
  bytes_ = bytes;
  bytes_capacity_ = capacity;
  bytes_begin_ = 0;
  bytes_end_ = end;
  charge(before);
}

void DecoderTable::insert(const FieldText& f) {
  const uint32_t need = 32 + f.size();
  if (need > max_size_) {  // empties the table, and is no error (4.4)
    while (count() > 0) evict_oldest();
    return;
  }
  // A deadline is not worth a record: pods get it as a literal. The record is looked up before
  // eviction, since the same field may be among the evicted ones.
  uint32_t entry = f.id == Name::kGrpcTimeout ? 0 : shared_.fields.share(f, may_make_record());
  if (entry != 0) shared_.holders.has(*this, entry);
  while (size_ + need > max_size_) evict_oldest();
  if (count() == entries_capacity_) grow_entries();
  if (entry == 0) entry = store(f) | kPrivate;
  ring_[slot(inserted_++)] = entry;
  size_ += need;
}

DecoderTable::NewHeader DecoderTable::header_for(const FieldText& f) {
  NewHeader h{{}, 3, f.name_size};
  h.bytes[1] = static_cast<uint8_t>(f.value_size);
  h.bytes[2] = static_cast<uint8_t>(f.value_size >> 8);
  if (f.id != Name::kOther) {
    h.bytes[0] = static_cast<uint8_t>(f.id);
  } else if (f.static_name != 0) {
    h.bytes[0] = static_cast<uint8_t>(kStaticName + f.static_name);
  } else {
    h.bytes[0] = kOwnName;
    h.bytes[3] = static_cast<uint8_t>(f.name_size);
    h.bytes[4] = static_cast<uint8_t>(f.name_size >> 8);
    h.size = 5;
    h.skip = 0;
  }
  return h;
}

uint32_t DecoderTable::store(const FieldText& f) {
  const NewHeader h = header_for(f);
  const uint32_t n = h.size;
  const uint32_t text = f.size() - h.skip;
  if (!fits(n + text)) grow_bytes(n + text);
  const uint32_t offset = bytes_end_;
  write(offset, h.bytes, n);
  write(offset + n, f.text + h.skip, text);
  bytes_end_ = (offset + n + text) & kOffset;
  return offset;
}

// Private copies stand in the order of their entries, so all bytes before the oldest copy are free.
// An entry that was promoted leaves a hole, which is free when the entry is evicted. An entry
// counts 32 bytes more than its text, so the ring never needs more than the table's size.
bool DecoderTable::fits(uint32_t n) {
  if (((bytes_end_ - bytes_begin_) & kOffset) + n <= bytes_capacity_) return true;
  bytes_begin_ = bytes_end_;
  for (uint32_t i = evicted_; i != inserted_; ++i) {
    const uint32_t e = ring_[slot(i)];
    if ((e & kPrivate) == 0) continue;
    bytes_begin_ = e & kOffset;
    break;
  }
  return ((bytes_end_ - bytes_begin_) & kOffset) + n <= bytes_capacity_;
}

void DecoderTable::grow_bytes(uint32_t n) {
  const uint32_t used = (bytes_end_ - bytes_begin_) & kOffset;
  const uint32_t capacity = std::max(kFirstBytes, std::bit_ceil(used + n));
  auto* const bytes = static_cast<uint8_t*>(shared_.blocks.take(capacity));
  if (bytes_ != nullptr) {
    // Offsets stay the same. Only the places that they map to change.
    for (uint32_t i = 0; i < used; ++i) {
      const uint32_t offset = (bytes_begin_ + i) & kOffset;
      bytes[offset & (capacity - 1)] = byte(offset);
    }
    shared_.blocks.give(bytes_, bytes_capacity_);
  }
  const uint32_t before = memory();
  bytes_ = bytes;
  bytes_capacity_ = capacity;
  charge(before);
}

void DecoderTable::grow_entries() {
  const uint32_t capacity = std::max(kFirstEntries, entries_capacity_ * 2);
  auto* const ring = static_cast<uint32_t*>(shared_.blocks.take(capacity * sizeof(uint32_t)));
  for (uint32_t i = evicted_; i != inserted_; ++i) ring[i & (capacity - 1)] = ring_[slot(i)];
  if (ring_ != nullptr) shared_.blocks.give(ring_, entries_capacity_ * sizeof(uint32_t));
  const uint32_t before = memory();
  ring_ = ring;
  entries_capacity_ = capacity;
  charge(before);
}

}  // namespace sluice::http2::hpack
