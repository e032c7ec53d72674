// The part of the reader before the first frame.

#include "http2/frame_reader.h"

#include "http2/preface.h"

namespace sluice::http2 {

FrameReader::Preface FrameReader::read_preface(buf::Slice& data) {
  const auto n = std::min<uint32_t>(data.size(), kPreface.size() - have_);
  if (std::memcmp(data.data(), kPreface.data() + have_, n) != 0) return Preface::kDiffers;
  have_ += n;
  data.drop_front(n);
  if (have_ < kPreface.size()) return Preface::kMore;
  have_ = 0;
  state_ = State::kHeader;
  return Preface::kComplete;
}

uint8_t FrameReader::first_byte(const buf::Slice& data) const {
  return have_ > 0 ? static_cast<uint8_t>(kPreface[0]) : data.data()[0];
}

void FrameReader::begin_first_line() {
  partial_.assign(kPreface.begin(), kPreface.begin() + have_);  // POST begins like PRI
  have_ = 0;
  state_ = State::kFirstLine;
}

std::string_view FrameReader::read_first_line(buf::Slice& data) {
  // When a preface goes wrong behind its first line, that line is here already.
  const auto room = std::min<size_t>(data.size(), kLongestLine - partial_.size());
  partial_.insert(partial_.end(), data.data(), data.data() + room);
  data.drop_front(static_cast<uint32_t>(room));
  return {reinterpret_cast<const char*>(partial_.data()), partial_.size()};
}

}  // namespace sluice::http2
