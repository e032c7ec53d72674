#include "http1/section_reader.h"

#include <emmintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace sluice::http1 {
namespace {

// Bytes that are looked at in one step.
constexpr size_t kBlock = 16;

// A bit for each LF of the n bytes, at most kBlock, the lowest for the first byte.
uint32_t line_feeds(const char* p, size_t n) {
  char rest[kBlock];
  if (n < kBlock) {
    std::memset(rest, 0, kBlock);
    std::memcpy(rest, p, n);
    p = rest;
  }
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8('\n'))));
}

}  // namespace

SectionReader::Result SectionReader::read(buf::Slice& data, size_t most, buf::Slice& whole) {
  const auto* p = reinterpret_cast<const char*>(data.data());
  const size_t n = data.size();
  const size_t before = begun() ? collected_->size() : 0;
  constexpr size_t kEmptyLine = 2;
  size_t at = 0;  // begin of a line
  for (size_t block = 0; block < n; block += kBlock) {
    uint32_t found = line_feeds(p + block, std::min(kBlock, n - block));
    for (; found != 0; found &= found - 1) {
      const size_t line_feed = block + static_cast<size_t>(std::countr_zero(found));
      if ((line_feed > 0 ? p[line_feed - 1] : last_) != '\r') return Result::kBareLineFeed;
      const size_t line = line_ + line_feed + 1 - at;
      at = line_feed + 1;
      line_ = 0;
      if (before + at > most) return Result::kTooLong;
      if (line > kEmptyLine) {
        has_first_line_ = true;
        continue;
      }
      if (before == 0) {
        whole = data.split_front(static_cast<uint32_t>(at));
      } else {
        collected_->append(p, at);
        data.drop_front(static_cast<uint32_t>(at));
      }
      return Result::kWhole;
    }
  }
  line_ += static_cast<uint32_t>(n - at);
  if (before + n > most) return Result::kTooLong;
  if (!begun()) collected_ = std::make_unique<std::string>();
  collected_->append(p, n);
  last_ = p[n - 1];
  data.drop_front(static_cast<uint32_t>(n));
  return Result::kMore;
}

std::string_view SectionReader::text(const buf::Slice& whole) const {
  if (begun()) return *collected_;
  return {reinterpret_cast<const char*>(whole.data()), whole.size()};
}

void SectionReader::clear() {
  collected_.reset();
  line_ = 0;
  last_ = 0;
  has_first_line_ = false;
}

}  // namespace sluice::http1
