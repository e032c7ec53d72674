#pragma once
// The chunked transfer coding (RFC 9112, 7.1), up to the trailer section: takes the framing out of
// the bytes as they arrive.

#include <cstdint>

#include "buf/slice.h"

namespace sluice::http1 {

class ChunkedDecoder {
 public:
  // Bytes of chunk extensions in one body (7.1.1 recommends a limit). Nobody uses extensions.
  static constexpr uint32_t kMostExtension = 4'096;

  // Digits of a chunk's size: no sum of such sizes overflows.
  static constexpr uint8_t kMostDigits = 15;
  // Servers that leave room for a size before they know it fill the rest with leading zeros, or
  // with blanks behind the size. Bytes of such a size, as padding is taken from servers only.
  static constexpr uint8_t kMostPadded = 64;
  enum class Padding : uint8_t { kRefused, kTaken };

  enum class Event : uint8_t {
    kMore,  // all bytes were framing
    kData,  // `piece` has bytes of the body
    kEnd,   // the last chunk's line was read: the trailer section follows
    kBad,   // what() says why
  };
  void begin(Padding padding) {
    *this = {};
    padding_ = padding;
  }
  // Takes bytes from the front of `data`, which is not empty.
  Event read(buf::Slice& data, buf::Slice& piece);
  const char* what() const { return what_; }
  // Bytes of the chunk that `piece` is of.
  uint64_t size() const { return size_; }

 private:
  enum class State : uint8_t {
    kFirstDigit,
    kSize,
    kBlank,      // behind the size, where only an extension may follow
    kExtension,  // and not in a quoted string
    kQuoted,
    kEscaped,  // behind a backslash in a quoted string
    kLineFeed,
    kData,
    kDataReturn,
    kDataLineFeed
  };
  // False when the byte may not stand there.
  bool step(uint8_t c);
  bool fail(const char* what);

  State state_ = State::kFirstDigit;
  uint8_t digits_ = 0;  // of a size, with its padding
  Padding padding_ = Padding::kRefused;
  uint32_t extension_ = 0;  // bytes so far
  uint64_t size_ = 0;       // of the chunk
  uint64_t left_ = 0;       // of the chunk
  const char* what_ = "";
};

}  // namespace sluice::http1
