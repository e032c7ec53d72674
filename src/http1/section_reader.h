#pragma once
// Finds the end of a head or of a trailer section (RFC 9112, 2.1 and 7.1.2): lines that end in
// CRLF, up to an empty line.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "buf/slice.h"

namespace sluice::http1 {

// A section that lies in one slice is read in place. A section of several slices is collected.
class SectionReader {
 public:
  enum class Result : uint8_t {
    kMore,
    kWhole,
    kBareLineFeed,  // RFC 9112, 2.2 lets a recipient accept it; two recipients may then differ
    kTooLong,
  };
  // Takes bytes of `data`, up to the end of the section. most: bytes of the section. whole: gets a
  // whole section that lay in one slice. After kBareLineFeed and kTooLong the reader is of no more
  // use.
  Result read(buf::Slice& data, size_t most, buf::Slice& whole);
  // The whole section with its last empty line. whole: of read(). Valid until clear(), and as long
  // as `whole`.
  std::string_view text(const buf::Slice& whole) const;
  void clear();

  // Bytes of a section that is not whole have arrived.
  bool begun() const { return collected_ != nullptr; }
  // The first line of the section has arrived.
  bool has_first_line() const { return has_first_line_; }
  size_t heap() const { return begun() ? sizeof(std::string) + collected_->capacity() : 0; }

 private:
  std::unique_ptr<std::string> collected_;  // of a section that is not whole, or of several slices
  uint32_t line_ = 0;                       // bytes of the line that is not complete
  char last_ = 0;                           // the last byte of the earlier slices
  bool has_first_line_ = false;
};

}  // namespace sluice::http1
