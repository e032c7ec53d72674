#include "http2/hpack/decoder.h"

#include <algorithm>
#include <cstring>

#include "base/poison.h"
#include "http2/hpack/huffman.h"
#include "http2/hpack/integer.h"
#include "http2/hpack/static_table.h"

namespace sluice::http2::hpack {
namespace {

// Most fields are short: copies of whole registers beat a call of memcpy. Both sides have slack.
inline void copy_with_slack(char* to, const char* from, size_t n) {
  static_assert(FieldList::kSlack >= 32);
#ifdef SLUICE_ASAN
  std::memcpy(to, from, n);  // the record behind may be free, and poisoned
  return;
#endif
  std::memcpy(to, from, 32);
  for (size_t i = 32; i < n; i += 32) std::memcpy(to + i, from + i, 32);
}

// Fields beyond the limit that are still decoded: the answer to the request depends on
// content-type.
constexpr uint32_t kLooks = 64;

}  // namespace

struct Decoder::Block {
  const uint8_t* at;
  const uint8_t* end;
  FieldList& out;
  uint32_t max_size;
  size_t unlisted_lists;
  const uint8_t* begin = at;
  size_t unlisted = 0;  // bytes of literals that were made and not listed
  bool too_large = false;
  bool excessive = false;
  uint32_t beyond = 0;   // field lines since then
  uint32_t fields = 0;   // field lines so far
  uint32_t indexed = 0;  // field lines that were not literals

  // Whether the list still has room for a field with this much text.
  bool admits(size_t text) {
    if (out.size() + text + 32 <= max_size) [[likely]]
      return true;
    too_large = true;
    return false;
  }
  // Whether a literal that the list has no room for is still decoded.
  bool bears(size_t text) {
    unlisted += text + 32;
    excessive = unlisted >
                unlisted_lists * max_size + huffman_decoded_bound(static_cast<size_t>(end - begin));
    return !excessive;
  }
  // Decodes a string literal (5.2) to `to`, where the text buffer has room for the whole block.
  // Sets `size`; false when the literal is malformed.
  bool string(char* to, uint32_t& size) {
    if (at == end) return false;
    const bool huffman = (*at & 0x80) != 0;
    uint32_t n;
    if (!read_integer<7>(at, end, n) || n > static_cast<size_t>(end - at)) return false;
    if (huffman) {
      const size_t decoded = huffman_decode(at, n, to);
      if (decoded == kHuffmanError) return false;
      size = static_cast<uint32_t>(decoded);
    } else {
      if (n > 0) std::memcpy(to, at, n);
      size = n;
    }
    at += n;
    return true;
  }
  // As string(), when the text is not wanted: errors are still found.
  bool skip_string() {
    uint32_t size;
    if (at != end && (*at & 0x80) != 0)
      return string(out.room(huffman_decoded_bound(static_cast<size_t>(end - at)) + kHuffmanSlack),
                    size);
    uint32_t n;
    if (at == end || !read_integer<7>(at, end, n) || n > static_cast<size_t>(end - at))
      return false;
    at += n;
    return true;
  }
};

void Decoder::set_limit(uint32_t bytes) {
  limit_ = std::min(bytes, DecoderTable::kMaxSize);
  if (limit_ < table_.max_size()) required_ = std::min(required_, limit_);
}

// 6.1. One byte of input may stand for a field as large as the table. A field beyond max_size is
// not even copied.
[[gnu::always_inline]] inline bool Decoder::indexed(Block& b) {
  uint32_t index;
  if (!read_integer<7>(b.at, b.end, index) || index == 0) return false;
  ++b.indexed;
  uint32_t handle = index;
  uint32_t age = 0;
  if (index > kStaticEntries) {
    age = index - kStaticEntries - 1;
    if (age >= table_.count()) return false;
    handle = table_.handle(age);
  }
  if (handle != 0) [[likely]] {
    const FieldTable::Record& r = shared_.fields[handle];
    const size_t n = size_t{r.name_size} + r.value_size;
    if (!b.admits(n)) return true;
    copy_with_slack(b.out.room(n), r.text(), n);
    b.out.commit(r.name_size, r.value_size,
                 {.id = r.id,
                  .sound = r.sound,
                  .static_name = r.static_name,
                  .ref = {handle, r.generation}});
    return true;
  }
  return indexed_private(b, age);
}

// A private copy of the dynamic table is used again, and may become a record now.
bool Decoder::indexed_private(Block& b, uint32_t age) {
  FieldText f = table_.private_field(age);
  if (!b.admits(f.size())) return true;
  char* const to = b.out.room(f.size());
  table_.copy_text(age, f, to);
  f.text = to;
  FieldList::Known known{.id = f.id, .static_name = f.static_name};
  uint32_t handle = 0;
  if (f.id != Name::kGrpcTimeout) handle = shared_.fields.intern(f, table_.may_make_record());
  if (handle != 0) {
    table_.promote(age, handle);
    known.ref = shared_.fields.ref(handle);
    known.sound = shared_.fields[handle].sound;
  }
  b.out.commit(f.name_size, f.value_size, known);
  return true;
}

// Far beyond the limit, a field only changes the table. A block of thousands of bytes, each of
// which names a large field, must cost no more than reading the block.
bool Decoder::skip(Block& b) {
  const bool literal = (*b.at & 0x80) == 0;
  uint32_t index;
  if (literal ? !read_integer<4>(b.at, b.end, index)
              : !read_integer<7>(b.at, b.end, index) || index == 0)
    return false;
  if (index > kStaticEntries && index - kStaticEntries - 1 >= table_.count()) return false;
  if (!literal) {
    ++b.indexed;
    return true;
  }
  return (index != 0 || b.skip_string()) && b.skip_string();
}

Decoder::Result Decoder::decode(buf::View block, uint32_t max_size, FieldList& out,
                                size_t unlisted) {
  table_.touch();
  const auto sample = shared_.sample_in();
  Block b{block.data(), block.data() + block.size(), out, max_size, unlisted};
  // Size updates stand before all fields (4.2).
  for (size_updates_ = 0; b.at != b.end && (*b.at & 0xe0) == 0x20; ++size_updates_)
    if (!size_update(b)) return Result::kCompressionError;
  if (required_ != UINT32_MAX) return Result::kCompressionError;
  while (b.at != b.end) {
    const uint8_t first = *b.at;
    ++b.fields;
    bool ok;
    if (b.too_large && ++b.beyond > kLooks && (first & 0xc0) != 0x40 && (first & 0xe0) != 0x20)
        [[unlikely]] {
      ok = skip(b);
    } else if ((first & 0x80) != 0) {
      ok = indexed(b);
    } else if ((first & 0x40) != 0) {
      uint32_t name;
      ok = read_integer<6>(b.at, b.end, name) && literal(b, true, false, name);
    } else if ((first & 0x20) != 0) {
      ok = false;
    } else {
      uint32_t name;
      ok = read_integer<4>(b.at, b.end, name) && literal(b, false, (first & 0x10) != 0, name);
    }
    if (!ok) [[unlikely]] {
      if (!b.excessive) return Result::kCompressionError;
      break;
    }
  }
  ++shared_.stats.hpack_blocks_in;
  shared_.stats.hpack_fields_in.add(b.fields);
  shared_.stats.hpack_indexed_in.add(b.indexed);
  if (b.excessive) return Result::kExcessive;
  return b.too_large ? Result::kTooLarge : Result::kOk;
}

bool Decoder::size_update(Block& b) {
  uint32_t size;
  if (!read_integer<5>(b.at, b.end, size)) return false;
  if (size > limit_ || (required_ != UINT32_MAX && size > required_)) return false;
  required_ = UINT32_MAX;
  table_.set_max_size(size);
  return true;
}

// 6.2.
bool Decoder::literal(Block& b, bool insert, bool never_indexed, uint32_t name_index) {
  // Room for a name from the table, and for all that the rest of the block can expand to.
  const auto rest = static_cast<size_t>(b.end - b.at);
  FieldText f{};
  char* to;
  if (name_index == 0) {
    to = b.out.room(huffman_decoded_bound(rest) + kHuffmanSlack);
    if (!b.string(to, f.name_size)) return false;
    f.id = name_of({to, f.name_size});
    f.static_name = f.id == Name::kOther ? static_name_of(std::string_view(to, f.name_size))
                                         : static_name_of(f.id);
  } else {
    uint32_t handle = name_index;
    uint32_t age = 0;
    if (name_index > kStaticEntries) {
      age = name_index - kStaticEntries - 1;
      if (age >= table_.count()) return false;
      handle = table_.handle(age);
    }
    if (handle != 0) {
      const FieldTable::Record& r = shared_.fields[handle];
      f = r.field();
      to = b.out.room(f.name_size + huffman_decoded_bound(rest) + kHuffmanSlack);
      copy_with_slack(to, r.text(), f.name_size);
    } else {
      f = table_.private_field(age);
      to = b.out.room(f.name_size + huffman_decoded_bound(rest) + kHuffmanSlack);
      table_.copy_name(age, f, to);
    }
  }
  if (!b.string(to + f.name_size, f.value_size)) return false;
  f.text = to;
  const bool listed = b.admits(f.size());
  if (!listed && !b.bears(f.size())) return false;
  if (insert) table_.insert(f);
  if (!listed) return true;
  FieldList::Known known{.id = f.id, .never_indexed = never_indexed, .static_name = f.static_name};
  if (insert && table_.count() > 0) {
    if (const uint32_t handle = table_.handle(0); handle != 0) {
      known.ref = shared_.fields.ref(handle);
      known.sound = shared_.fields[handle].sound;
    }
  }
  b.out.commit(f.name_size, f.value_size, known);
  return true;
}

}  // namespace sluice::http2::hpack
