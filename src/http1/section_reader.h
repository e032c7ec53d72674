#pragma once
// Finds the end of a head or of a trailer section (RFC 9112, 2.1 and 7.1.2): lines that end in
// CRLF, up to an empty line.

#include <cstddef>
#include <cstdint>
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
  // Takes bytes of `data`, up to the end of the section. most: bytes of the section. After
  // kBareLineFeed and kTooLong the reader is of no more use.
  Result read(buf::Slice& data, size_t most);
  // The whole section with its last empty line. Valid until clear().
  std::string_view text() const;
  void clear();

  // Bytes of a section that is not whole have arrived.
  bool begun() const { return !collected_.empty(); }
  // The first line of the section has arrived.
  bool has_first_line() const { return has_first_line_; }
  size_t heap() const { return collected_.capacity() > kInline ? collected_.capacity() : 0; }

 private:
  static constexpr size_t kInline = 32;  // what std::string keeps in itself, or more

  std::string collected_;
  buf::Slice in_place_;
  size_t line_ = 0;  // bytes of the line that is not complete
  char last_ = 0;    // the last byte of the earlier slices
  bool has_first_line_ = false;
};

}  // namespace sluice::http1
