#include "http1/section_reader.h"

#include <cstring>

namespace sluice::http1 {

SectionReader::Result SectionReader::read(buf::Slice& data, size_t most, buf::Slice& whole) {
  const auto* p = reinterpret_cast<const char*>(data.data());
  const size_t n = data.size();
  const size_t before = begun() ? collected_->size() : 0;
  constexpr size_t kEmptyLine = 2;
  for (size_t at = 0;;) {
    const void* found = std::memchr(p + at, '\n', n - at);
    if (found == nullptr) {
      line_ += static_cast<uint32_t>(n - at);
      break;
    }
    const auto line_feed = static_cast<size_t>(static_cast<const char*>(found) - p);
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
