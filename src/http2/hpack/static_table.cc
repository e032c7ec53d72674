#include "http2/hpack/static_table.h"

#include "http/name_index.h"

namespace sluice::http2::hpack {
namespace {

constexpr uint8_t first_with_name(std::string_view name) {
  for (uint8_t i = 0; i < kStaticEntries; ++i)
    if (kStaticTable[i].name == name) return static_cast<uint8_t>(i + 1);
  return 0;
}

constexpr auto kIndex = [] {
  http::NameIndex<256> index;
  for (uint8_t i = 0; i < kStaticEntries; ++i)
    if (first_with_name(kStaticTable[i].name) == i + 1)
      index.insert(kStaticTable[i].name, static_cast<uint8_t>(i + 1));
  return index;
}();

constexpr auto kByName = [] {
  std::array<uint8_t, kNameCount> by_name{};
  for (size_t i = 1; i < kNameCount; ++i) by_name[i] = first_with_name(kNameText[i]);
  return by_name;
}();

}  // namespace

uint8_t static_name_of(std::string_view name) {
  return kIndex.find(name, [](uint8_t i) { return kStaticTable[i - 1].name; });
}

uint8_t static_name_of(Name name) {
  return kByName[static_cast<size_t>(name)];
}

uint8_t static_entry_of(Name name, std::string_view value) {
  uint8_t i, end;
  switch (name) {
    case Name::kMethod:
      i = 2, end = 4;
      break;
    case Name::kPath:
      i = 4, end = 6;
      break;
    case Name::kScheme:
      i = 6, end = 8;
      break;
    case Name::kStatus:
      i = 8, end = 15;
      break;
    default:
      return 0;
  }
  for (; i < end; ++i)
    if (kStaticTable[i - 1].value == value) return i;
  return 0;
}

}  // namespace sluice::http2::hpack
