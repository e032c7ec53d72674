#include "http2/fields.h"

#include <algorithm>
#include <bit>

#include "http2/name_index.h"

namespace sluice::http2 {
namespace {

constexpr auto kIndex = [] {
  NameIndex<128> index;
  for (uint8_t i = 1; i < kNameCount; ++i) index.insert(kNameText[i], i);
  return index;
}();
static_assert(kNameCount <= 64);

}  // namespace

Name name_of(std::string_view name) {
  return static_cast<Name>(kIndex.find(name, [](uint8_t i) { return kNameText[i]; }));
}

void TextBuffer::reserve(size_t n) {
  constexpr size_t kFirst = 512;
  const size_t capacity = std::max(kFirst, std::bit_ceil(n));
  auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
  bytes_ = std::move(bytes);
  capacity_ = capacity;
}

}  // namespace sluice::http2
