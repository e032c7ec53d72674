#include "http2/hpack/field_table.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <new>

#include "base/poison.h"
#include "http/validation.h"
#include "http2/hpack/static_table.h"

namespace sluice::http2::hpack {

static_assert(sizeof(FieldTable::Record) == 20);

FieldTable::FieldTable(const SipKey& key, stats::Http2& stats, size_t bytes)
    : key_(key),
      granules_(static_cast<uint32_t>(bytes / kGranule)),
      cell_mask_(granules_ - 1),
      stats_(stats),
      region_(static_cast<std::byte*>(std::malloc(bytes + FieldList::kSlack))),
      begins_(static_cast<uint64_t*>(std::calloc((granules_ + 63) / 64, sizeof(uint64_t)))),
      cells_(static_cast<uint32_t*>(std::calloc(granules_, sizeof(uint32_t)))),
      notes_(static_cast<uint16_t*>(std::calloc(kNotes, sizeof(uint16_t)))) {
  if (!region_ || !begins_ || !cells_ || !notes_) throw std::bad_alloc();
  static_assert(offsetof(Free, references) == offsetof(Record, references) &&
                offsetof(Free, generation) == offsetof(Record, generation) &&
                offsetof(Free, order) == offsetof(Record, order) && sizeof(Free) == sizeof(Record));
  first_generation_ = static_cast<uint32_t>(mix64(reinterpret_cast<uintptr_t>(region_.get())));
  // The entries of the static table are records with their HPACK numbers. They are never referenced
  // or freed.
  write(0, {"", 0, 0, Name::kOther, 0});
  for (uint32_t i = 1; i <= kStaticEntries; ++i) {
    const StaticEntry& e = kStaticTable[i - 1];
    char text[kGranule];
    std::memcpy(text, e.name.data(), e.name.size());
    std::memcpy(text + e.name.size(), e.value.data(), e.value.size());
    write(i, {text, static_cast<uint32_t>(e.name.size()), static_cast<uint32_t>(e.value.size()),
              name_of(e.name), static_name_of(e.name)});
    at(i)->references = 1;
  }
  static_assert(kStaticEntries < 64);
  begins_[0] = (uint64_t{1} << (kStaticEntries + 1)) - 1;
  next_ = (kStaticEntries + 1 + kLargest - 1) / kLargest * kLargest;
}

FieldTable::~FieldTable() {
  unpoison(region_.get(), size_t{granules_} * kGranule);
}

template <void (*kDo)(const void*, size_t)>
void FieldTable::poison_text(uint32_t handle, unsigned order) {
  kDo(at(handle)->text(), (size_t{kGranule} << order) - sizeof(Record));
}

void FieldTable::write(uint32_t handle, const FieldText& f) {
  Record* r = ::new (at(handle)) Record{};
  r->name_size = static_cast<uint16_t>(f.name_size);
  r->value_size = static_cast<uint16_t>(f.value_size);
  r->id = f.id;
  r->static_name = f.static_name;
  r->sound = http::sound({f.text, f.name_size}, {f.text + f.name_size, f.value_size});
  if (f.size() > 0) std::memcpy(const_cast<char*>(r->text()), f.text, f.size());
}

uint32_t FieldTable::hash(const FieldText& f) const {
  // The sum tells "a: bc" from "ab: c".
  const uint64_t h = table_hash(
      key_, std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(f.text), f.size()));
  return static_cast<uint32_t>(h >> 32) ^ static_cast<uint32_t>(h) ^ f.name_size * 0x9e3779b1u;
}

uint32_t FieldTable::find(const FieldText& f, uint32_t hash) const {
  for (uint32_t c = hash & cell_mask_; cells_[c] != 0; c = (c + 1) & cell_mask_) {
    const Record& r = *at(cells_[c]);
    if (r.hash == hash && r.name_size == f.name_size && r.value_size == f.value_size &&
        std::memcmp(r.text(), f.text, f.size()) == 0)
      return cells_[c];
  }
  return 0;
}

uint32_t FieldTable::share(const FieldText& f, bool make) {
  if (f.size() > kMaxLiteral) return 0;
  const uint32_t h = hash(f);
  if (const uint32_t known = find(f, h); known != 0) {
    retain(known);
    return known;
  }
  uint16_t& note = notes_[(h >> 16) & (kNotes - 1)];
  const auto mark = static_cast<uint16_t>(h | 1);  // differs from every empty note
  if (note == mark) return create(f, h, make);
  note = mark;
  return 0;
}

namespace {

// Name and value in one piece.
struct JoinedText {
  JoinedText(std::string_view name, std::string_view value, Name id, uint8_t static_name)
      : field{bytes, static_cast<uint32_t>(name.size()), static_cast<uint32_t>(value.size()), id,
              static_name} {
    std::memcpy(bytes, name.data(), name.size());
    if (!value.empty()) std::memcpy(bytes + name.size(), value.data(), value.size());
  }
  static bool fits(std::string_view name, std::string_view value) {
    return !name.empty() && name.size() + value.size() <= FieldTable::kMaxLiteral;
  }
  char bytes[FieldTable::kMaxLiteral];
  FieldText field;
};

}  // namespace

uint32_t FieldTable::share(std::string_view name, std::string_view value, Name id) {
  if (!JoinedText::fits(name, value)) return 0;
  const uint8_t static_name = id == Name::kOther ? static_name_of(name) : static_name_of(id);
  return share(JoinedText(name, value, id, static_name).field);
}

FieldRef FieldTable::find_ref(std::string_view name, std::string_view value) const {
  if (!JoinedText::fits(name, value)) return {};
  const JoinedText joined(name, value, Name::kOther, 0);
  const uint32_t handle = find(joined.field, hash(joined.field));
  return handle != 0 ? ref(handle) : FieldRef{};
}

uint32_t FieldTable::intern(const FieldText& f, bool make) {
  if (f.size() > kMaxText) return 0;
  const uint32_t h = hash(f);
  if (const uint32_t known = find(f, h); known != 0) {
    retain(known);
    return known;
  }
  return create(f, h, make);
}

uint32_t FieldTable::create(const FieldText& f, uint32_t hash, bool make) {
  if (!make) {
    ++stats_.hpack_share_full;
    return 0;
  }
  const auto granules =
      (f.size() + static_cast<uint32_t>(sizeof(Record)) + kGranule - 1) / kGranule;
  const auto order = static_cast<unsigned>(std::bit_width(granules - 1));
  const uint32_t handle = records_ < max_records() ? take_block(order) : 0;
  if (handle == 0) {
    ++stats_.hpack_table_full;
    return 0;
  }
  const uint32_t generation = at(handle)->generation;
  write(handle, f);
  Record& r = *at(handle);
  r.references = 1;
  r.generation = generation;
  r.hash = hash;
  r.order = static_cast<uint8_t>(order);
  uint32_t c = hash & cell_mask_;
  while (cells_[c] != 0) c = (c + 1) & cell_mask_;
  cells_[c] = handle;
  ++records_;
  used_units_ += units_of(handle);
  stats_.hpack_fields_shared.set(records_);
  return handle;
}

// Returns a block whose header has a valid generation.
uint32_t FieldTable::take_block(unsigned order) {
  unsigned from = order;
  while (from < kOrders && free_[from] == 0) ++from;
  if (from == kOrders) {
    if (next_ + kLargest > granules_) return 0;
    give_block(next_, --from, first_generation_);
    next_ += kLargest;
  }
  const uint32_t handle = free_[from];
  unlink(handle);
  poison_text<unpoison>(handle, from);
  while (from > order) {
    --from;
    give_block(handle + (1u << from), from, free_at(handle)->generation);
  }
  return handle;
}

void FieldTable::give_block(uint32_t handle, unsigned order, uint32_t generation) {
  begins_[handle / 64] |= uint64_t{1} << (handle % 64);
  const uint32_t next = free_[order];
  ::new (at(handle)) Free{0, generation, next, 0, 0, static_cast<uint8_t>(order)};
  if (next != 0) free_at(next)->previous = handle;
  free_[order] = handle;
  poison_text<poison>(handle, order);
}

void FieldTable::unlink(uint32_t handle) {
  const Free& f = *free_at(handle);
  (f.previous != 0 ? free_at(f.previous)->next : free_[f.order]) = f.next;
  if (f.next != 0) free_at(f.next)->previous = f.previous;
}

void FieldTable::free(uint32_t handle) {
  Record& r = *at(handle);
  used_units_ -= units_of(handle);
  // Removes the record from the cells. Cells behind it move up, so that searches need no
  // tombstones.
  uint32_t hole = r.hash & cell_mask_;
  while (cells_[hole] != handle) hole = (hole + 1) & cell_mask_;
  for (uint32_t c = (hole + 1) & cell_mask_; cells_[c] != 0; c = (c + 1) & cell_mask_) {
    const uint32_t home = at(cells_[c])->hash & cell_mask_;
    if (((c - home) & cell_mask_) < ((c - hole) & cell_mask_)) continue;
    cells_[hole] = cells_[c];
    hole = c;
  }
  cells_[hole] = 0;
  // The next record of a granule must not have a generation that a FieldRef to this granule may
  // have. So a joined block takes the later generation of its halves, and a block that is split
  // passes its own to both.
  unsigned order = r.order;
  uint32_t generation = r.generation + 1;
  for (; order + 1 < kOrders; ++order) {
    const uint32_t buddy = handle ^ 1u << order;
    const Free& other = *free_at(buddy);
    if (!begins(buddy) || other.references != 0 || other.order != order) break;
    unlink(buddy);
    if (static_cast<int32_t>(other.generation - generation) > 0) generation = other.generation;
    const uint32_t upper = std::max(handle, buddy);
    begins_[upper / 64] &= ~(uint64_t{1} << (upper % 64));
    handle = std::min(handle, buddy);
  }
  give_block(handle, order, generation);
  --records_;
  stats_.hpack_fields_shared.set(records_);
}

}  // namespace sluice::http2::hpack
