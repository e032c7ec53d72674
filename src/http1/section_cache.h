#pragma once
// Field sections that were parsed before, by their text. Clients and pods repeat the fields of
// their messages, mostly byte by byte, as HPACK's dynamic table makes use of in HTTP/2 (RFC
// 7541, 2.3.2). A section that is known byte by byte is not parsed again.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/field_refs.h"
#include "http1/fields.h"
#include "http1/http.h"

namespace sluice::http1 {

// A section of HTTP/1.1 without a fault, and without a Host that is none.
struct KnownSection {
  FieldFacts facts;
  uint32_t lines = 0;  // field lines
  // The fields that go beyond this hop, as FieldLines::append_to() adds them. Of a request, Host is
  // left out.
  FieldList fields;
  http::FieldRef authority;  // of Host's value as :authority
};

// One object for each worker, of at most 1 MiB. A section is kept when its text comes a second time
// within a while, in the place of another one with the same place. Places depend on a random key.
class SectionCache {
 public:
  // refs: finds the records that HPACK shares for the fields, so that HTTP/2 sends them by their
  // index; may be nullptr; outlives the cache.
  explicit SectionCache(const http::FieldRefs* refs);

  // nullptr: the text is not known. most: of field lines. The section is valid until learn().
  const KnownSection* find(std::string_view text, FieldLines::Of of, uint32_t most);
  // Behind a find() of the same text that found nothing, and FieldLines::read() without a fault.
  void learn(std::string_view text, FieldLines::Of of, const FieldLines& lines);

  // Sections with more text or lines are not kept.
  static constexpr size_t kMostText = 1'024;
  static constexpr uint32_t kMostLines = 64;
  static constexpr size_t kPlaces = 256;

 private:
  struct Entry {
    std::string text;
    FieldLines::Of of;
    uint32_t uses = 0;
    KnownSection section;
  };
  struct Place {
    uint64_t missed = 0;  // hash of the last text that was not found here
    std::unique_ptr<Entry> entry;
  };
  uint64_t hash(std::string_view text, FieldLines::Of of) const;
  void find_refs(KnownSection& section) const;

  const http::FieldRefs* const refs_;
  uint64_t key_[2];
  uint64_t last_hash_ = 0;  // of the last find()
  std::vector<Place> places_;
};

}  // namespace sluice::http1
