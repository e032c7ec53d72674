#include "http1/section_cache.h"

#include <cstring>
#include <random>

namespace sluice::http1 {
namespace {

uint64_t load(const char* p) {
  uint64_t x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

// Both halves of the product: a multiplication mixes 128 bits.
uint64_t mix(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// A view into `from`, as a view into its copy.
std::string_view moved(std::string_view view, std::string_view from, std::string_view copy) {
  if (view.empty()) return {};
  return copy.substr(static_cast<size_t>(view.data() - from.data()), view.size());
}

}  // namespace

SectionCache::SectionCache(const http::FieldRefs* refs) : refs_(refs), places_(kPlaces) {
  std::random_device random;
  for (uint64_t& k : key_) k = (uint64_t{random()} << 32 | random()) | 1;
}

uint64_t SectionCache::hash(std::string_view text, FieldLines::Of of) const {
  constexpr size_t kBlock = 16;
  uint64_t h = key_[0] ^ text.size() << 1 ^ static_cast<uint64_t>(of);
  const char* p = text.data();
  const char* const last = p + text.size() - kBlock;
  for (; p < last; p += kBlock) h = mix(load(p) ^ key_[1], load(p + 8) ^ h);
  return mix(load(last) ^ key_[1], load(last + 8) ^ h);
}

void SectionCache::find_refs(KnownSection& section) const {
  FieldList& fields = section.fields;
  for (size_t i = 0; i < fields.count(); ++i)
    fields.set_ref(i, refs_->find_ref(fields[i].name, fields[i].value));
  section.authority = refs_->find_ref(text_of(Name::kAuthority), section.facts.host);
}

const KnownSection* SectionCache::find(std::string_view text, FieldLines::Of of, uint32_t most) {
  constexpr size_t kLeastText = 16;  // of hash()
  last_hash_ = 0;
  if (text.size() < kLeastText || text.size() > kMostText) return nullptr;
  last_hash_ = hash(text, of);
  Entry* const e = places_[last_hash_ % kPlaces].entry.get();
  if (e == nullptr || e->text.size() != text.size() || e->of != of ||
      std::memcmp(e->text.data(), text.data(), text.size()) != 0 || e->section.lines > most)
    return nullptr;
  // HPACK makes a record when a field comes again, and forgets it when no table has the field.
  constexpr uint32_t kPeriod = 64, kFirst = 4;
  if (refs_ != nullptr && ++e->uses % kPeriod == kFirst) find_refs(e->section);
  return &e->section;
}

void SectionCache::learn(std::string_view text, FieldLines::Of of, const FieldLines& lines) {
  if (last_hash_ == 0 || lines.count() > kMostLines) return;
  Place& place = places_[last_hash_ % kPlaces];
  if (place.missed != last_hash_) {
    place.missed = last_hash_;
    return;
  }
  place.missed = 0;
  place.entry = std::make_unique<Entry>();
  Entry& e = *place.entry;
  e.text = text;
  e.of = of;
  e.section.facts = lines.facts();
  FieldFacts& facts = e.section.facts;
  for (std::string_view* view :
       {&facts.host, &facts.protocols, &facts.websocket_key, &facts.websocket_accept})
    *view = moved(*view, text, e.text);
  e.section.lines = lines.count();
  lines.append_to(e.section.fields, of == FieldLines::Of::kRequest ? http::bit_of(Name::kHost) : 0);
  e.section.fields.shrink();
}

}  // namespace sluice::http1
