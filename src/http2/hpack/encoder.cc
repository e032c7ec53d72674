#include "http2/hpack/encoder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "http2/hpack/huffman.h"
#include "http2/hpack/huffman_code.h"
#include "http2/hpack/integer.h"
#include "http2/hpack/static_table.h"

namespace sluice::http2::hpack {
namespace {

// Representations (6).
constexpr uint8_t kIndexed = 0x80;
constexpr uint8_t kIncremental = 0x40;
constexpr uint8_t kSizeUpdate = 0x20;
constexpr uint8_t kNeverIndexed = 0x10;
constexpr uint8_t kWithoutIndexing = 0x00;

// A shorter credential could be guessed by the size of the compressed block (7.1).
constexpr size_t kShortCredential = 20;

// The most bytes of text in a block that are Huffman-coded. Text beyond is written as it is. Coding
// takes 1.5 to 3.4 ns a byte and saves a fifth of a token. For a thousand bytes that is as long as
// all else that a call costs, and peers can name 16 KB (header_list_size) with a few bytes.
constexpr size_t kCoded = 1'024;

// The most bytes of a literal beside its text: two lengths and an index.
constexpr size_t kOverhead = 3 * kMaxIntegerSize;
// Bytes behind the last field that are written and do not count: a known name is copied as a whole
// NameLiteral.
constexpr size_t kSlack = 32;

// String literals of the known names. Names without an entry in the static table are written again
// and again: grpc-timeout in every call.
struct NameLiteral {
  uint8_t size = 0;
  std::array<uint8_t, 23> bytes{};
};
constexpr auto kNameLiterals = [] {
  std::array<NameLiteral, kNameCount> literals{};
  for (size_t i = 1; i < kNameCount; ++i) {
    NameLiteral& l = literals[i];
    uint64_t bits = 0;
    unsigned have = 0;
    l.size = 1;
    for (const char c : kNameText[i]) {
      const auto symbol = static_cast<uint8_t>(c);
      bits = bits << kCodeLength[symbol] | kHuffmanCode.code[symbol];
      for (have += kCodeLength[symbol]; have >= 8; have -= 8)
        l.bytes[l.size++] = static_cast<uint8_t>(bits >> (have - 8));
    }
    if (have > 0) l.bytes[l.size++] = static_cast<uint8_t>(bits << (8 - have) | (0xff >> have));
    l.bytes[0] = static_cast<uint8_t>(0x80 | (l.size - 1));
  }
  return literals;
}();

uint8_t* write_plain(uint8_t* p, std::string_view s) {
  p = write_integer<7>(p, 0, static_cast<uint32_t>(s.size()));
  if (!s.empty()) std::memcpy(p, s.data(), s.size());
  return p + s.size();
}

// coded: bytes of the block that may still be Huffman-coded.
uint8_t* write_string(uint8_t* p, std::string_view s, size_t& coded) {
  if (s.size() > coded) return write_plain(p, s);
  coded -= s.size();
  const size_t n = huffman_size(s);
  if (n >= s.size()) return write_plain(p, s);
  return huffman_encode(s, write_integer<7>(p, 0x80, static_cast<uint32_t>(n)));
}

template <unsigned kPrefix>
uint8_t* write_literal(uint8_t* p, uint8_t pattern, const Field& f, uint8_t static_name,
                       size_t& coded) {
  if (static_name != 0) {
    p = write_integer<kPrefix>(p, pattern, static_name);
  } else if (f.id != Name::kOther) {
    *p++ = pattern;
    const NameLiteral& l = kNameLiterals[static_cast<size_t>(f.id)];
    std::memcpy(p, l.bytes.data(), l.bytes.size());
    p += l.size;
  } else {
    *p++ = pattern;
    p = write_string(p, f.name, coded);
  }
  // The value is new in every call and a few digits long: not worth compressing.
  if (f.id == Name::kGrpcTimeout) return write_plain(p, f.value);
  return write_string(p, f.value, coded);
}

// The static table's first entry with the field's name. Fields of HTTP/1.1 come without the number.
uint8_t entry_of_name(const Field& f) {
  if (f.static_name != 0) return f.static_name;
  return f.id == Name::kOther ? static_name_of(f.name) : static_name_of(f.id);
}

}  // namespace

Encoder::Encoder(Shared& shared, uint32_t cap) : table_(shared), shared_(shared), cap_(cap) {
  lowest_ = kDefaultTableSize;
  if (cap_ < kDefaultTableSize) set_table_size(kDefaultTableSize);
}

void Encoder::set_table_size(uint32_t bytes) {
  const uint32_t size = std::min({bytes, cap_, EncoderTable::kMaxSize});
  if (size == table_.max_size() && !resized_) return;
  lowest_ = resized_ ? std::min(lowest_, size) : size;
  resized_ = true;
  table_.set_max_size(size);
}

// Writes the smallest size since the last block, then the current size (4.2).
uint8_t* Encoder::size_updates(uint8_t* p) {
  resized_ = false;
  if (lowest_ < table_.max_size()) p = write_integer<5>(p, kSizeUpdate, lowest_);
  return write_integer<5>(p, kSizeUpdate, table_.max_size());
}

bool Encoder::second_time(uint32_t handle, uint32_t field) {
  // 0 marks an empty place.
  const auto mark = static_cast<uint16_t>(field % 65'521 + 1);
  if (shared_.fields[handle].size() > table_.max_size() / 2)
    return std::exchange(large_candidate_, mark) == mark;
  bool seen = false;
  for (const uint16_t c : candidates_) seen |= c == mark;
  if (seen) return true;
  candidates_[next_candidate_] = mark;
  next_candidate_ = static_cast<uint8_t>((next_candidate_ + 1) % kCandidates);
  return false;
}

// 6.1. nullptr when neither table has the field.
inline uint8_t* Encoder::write_indexed(uint8_t* p, FieldRef ref) const {
  if (ref.handle <= kStaticEntries) {
    *p++ = static_cast<uint8_t>(kIndexed | ref.handle);
    return p;
  }
  const uint32_t age = table_.find(ref.handle);
  // The table has a record here, so only its generation has to be compared.
  if (age == EncoderTable::kNone || shared_.fields.ref(ref.handle).generation != ref.generation)
    return nullptr;
  return write_integer<7>(p, kIndexed, kStaticEntries + 1 + age);
}

// A field that no decoder has read, as HTTP/1.1 has them. Its record lives no longer than the
// tables have it, so the field is recognised by the record's hash.
uint8_t* Encoder::write_unread(uint8_t* p, const Field& f, size_t& coded, uint32_t& indexed) {
  if (const uint32_t entry = static_entry_of(f.id, f.value); entry != 0) {
    *p++ = static_cast<uint8_t>(kIndexed | entry);
    ++indexed;
    return p;
  }
  const uint8_t name = entry_of_name(f);
  if (is_credential(name) && f.value.size() < kShortCredential)
    return write_literal<4>(p, kNeverIndexed, f, name, coded);
  const bool lasting = f.id != Name::kGrpcTimeout && f.id != Name::kContentLength;
  const uint32_t handle = lasting ? shared_.fields.share(f.name, f.value, f.id) : 0;
  if (handle == 0) return write_literal<4>(p, kWithoutIndexing, f, name, coded);
  if (const uint32_t age = table_.find(handle); age != EncoderTable::kNone) {
    p = write_integer<7>(p, kIndexed, kStaticEntries + 1 + age);
    ++indexed;
  } else if (second_time(handle, shared_.fields[handle].hash) && table_.insert(handle)) {
    p = write_literal<6>(p, kIncremental, f, name, coded);
  } else {
    p = write_literal<4>(p, kWithoutIndexing, f, name, coded);
  }
  shared_.fields.release(handle);
  return p;
}

buf::View Encoder::encode(const FieldList& fields) {
  const auto sample = shared_.sample_out();
  // fields.size() counts 32 bytes for each field beside its text, more than a literal needs.
  static_assert(kOverhead <= 32);
  uint8_t* const begin = shared_.scratch(fields.size() + 2 * kMaxIntegerSize + kSlack);
  uint8_t* p = begin;
  if (resized_) p = size_updates(p);
  uint32_t indexed = 0;
  size_t coded = kCoded;
  const size_t count = fields.count();
  for (size_t i = 0; i < count; ++i) {
    const FieldList::Known& hint = fields.known(i);
    if (hint.ref.handle != 0 && !hint.never_indexed) [[likely]] {
      if (uint8_t* const end = write_indexed(p, hint.ref)) {
        p = end;
        ++indexed;
        continue;
      }
    }
    const Field f = fields[i];
    if (f.sound && f.ref.handle == 0) {
      p = write_unread(p, f, coded, indexed);
      continue;
    }
    if (f.never_indexed) {
      const uint8_t name = entry_of_name(f);
      p = write_literal<4>(p, kNeverIndexed, f, name, coded);
      continue;
    }
    const uint32_t handle = f.ref.handle;
    if (handle == 0) {
      if (const uint32_t entry = static_entry_of(f.id, f.value); entry != 0) {
        *p++ = static_cast<uint8_t>(kIndexed | entry);
        ++indexed;
        continue;
      }
    }
    const bool known =
        handle != 0 && table_.find(handle) == EncoderTable::kNone && shared_.fields.current(f.ref);
    const uint8_t name = entry_of_name(f);
    if (is_credential(name) && f.value.size() < kShortCredential) {
      p = write_literal<4>(p, kNeverIndexed, f, name, coded);
    } else if (known && f.id != Name::kGrpcTimeout && second_time(handle, handle) &&
               table_.insert(handle)) {
      p = write_literal<6>(p, kIncremental, f, name, coded);
    } else {
      p = write_literal<4>(p, kWithoutIndexing, f, name, coded);
    }
  }
  ++shared_.stats.hpack_blocks_out;
  shared_.stats.hpack_fields_out.add(count);
  shared_.stats.hpack_indexed_out.add(indexed);
  return {begin, static_cast<size_t>(p - begin)};
}

}  // namespace sluice::http2::hpack
