#include "http1/chunked_decoder.h"

#include <algorithm>

namespace sluice::http1 {
namespace {

int hex(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool ChunkedDecoder::fail(const char* what) {
  what_ = what;
  return false;
}

bool ChunkedDecoder::step(uint8_t c) {
  constexpr uint64_t kFull = uint64_t{1} << (kMostDigits - 1) * 4;  // no room for another digit
  const bool padded = padding_ == Padding::kTaken;
  switch (state_) {
    case State::kFirstDigit:
      digits_ = 0;
      left_ = 0;
      if (hex(c) < 0) return fail("a chunk without a size");
      state_ = State::kSize;
      [[fallthrough]];
    case State::kSize:
      if (const int digit = hex(c); digit >= 0) {
        if (++digits_ > (padded ? kMostPadded : kMostDigits) || left_ >= kFull)
          return fail("a chunk size of too many digits");
        left_ = left_ << 4 | static_cast<unsigned>(digit);
        return true;
      }
      [[fallthrough]];
    case State::kBlank:
      if (c == '\r' && (state_ == State::kSize || padded)) {
        state_ = State::kLineFeed;
        return true;
      }
      if (c == ' ' || c == '\t') {
        state_ = State::kBlank;
        if (padded) return ++digits_ <= kMostPadded || fail("too many blanks behind a chunk size");
      } else if (c == ';') {
        state_ = State::kExtension;
      } else {
        return fail("a chunk size that is no hexadecimal number");
      }
      break;
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kLineFeed;
        return true;
      }
      if (c == '"') state_ = State::kQuoted;
      break;
    case State::kQuoted:
      if (c == '\\') state_ = State::kEscaped;
      if (c == '"') state_ = State::kExtension;
      break;
    case State::kEscaped:
      state_ = State::kQuoted;
      break;
    case State::kLineFeed:
      if (c != '\n') return fail("a bare CR behind a chunk size");
      state_ = State::kData;
      size_ = left_;
      return true;
    case State::kDataReturn:
      if (c != '\r') return fail("a chunk longer than its size");
      state_ = State::kDataLineFeed;
      return true;
    case State::kDataLineFeed:
      if (c != '\n') return fail("a chunk longer than its size");
      state_ = State::kFirstDigit;
      return true;
    case State::kData:
      return true;
  }
  if ((c < ' ' && c != '\t') || c == 0x7f) return fail("a control byte in a chunk extension");
  if (++extension_ > kMostExtension) return fail("chunk extensions that are too long");
  return true;
}

ChunkedDecoder::Event ChunkedDecoder::read(buf::Slice& data, buf::Slice& piece) {
  while (data.size() > 0) {
    if (state_ == State::kData) {
      if (left_ == 0) return Event::kEnd;
      piece = data.split_front(static_cast<uint32_t>(std::min<uint64_t>(left_, data.size())));
      left_ -= piece.size();
      if (left_ == 0) state_ = State::kDataReturn;
      return Event::kData;
    }
    if (!step(*data.data())) return Event::kBad;
    data.drop_front(1);
  }
  return state_ == State::kData && left_ == 0 ? Event::kEnd : Event::kMore;
}

}  // namespace sluice::http1
