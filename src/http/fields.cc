#include "http/fields.h"

#include "http/name_index.h"

namespace sluice::http {
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

}  // namespace sluice::http
