#pragma once
// The field block that a connection is receiving: one HEADERS frame, or HEADERS and CONTINUATION
// frames up to END_HEADERS (RFC 9113, 4.3 and 6.10).

#include <cstddef>
#include <cstdint>
#include <vector>

#include "buf/slice.h"

namespace sluice::http2 {

class FieldBlock {
 public:
  // HEADERS came. depends_on_itself: the priority in it names its own stream (RFC 7540, 5.3.1).
  void begin(uint32_t stream, bool ends_stream, bool depends_on_itself) {
    stream_ = stream;
    ends_stream_ = ends_stream;
    depends_on_itself_ = depends_on_itself;
    continuations_ = 0;
  }
  // The functions below are about the latest HEADERS.
  uint32_t stream() const { return stream_; }
  bool ends_stream() const { return ends_stream_; }
  bool depends_on_itself() const { return depends_on_itself_; }

  // Between HEADERS and END_HEADERS.
  bool open() const { return open_; }
  // The HEADERS frame had no END_HEADERS: keeps its part of the block.
  void keep(buf::View part) {
    open_ = true;
    bytes_.assign(part.begin(), part.end());
  }
  // Counts one more CONTINUATION frame of the block; returns their number.
  uint32_t count_continuation() { return ++continuations_; }
  void append(buf::View part) { bytes_.insert(bytes_.end(), part.begin(), part.end()); }
  size_t size() const { return bytes_.size(); }
  // END_HEADERS came. Returns the whole block, which lives until release().
  buf::View close() {
    open_ = false;
    return bytes_;
  }
  // Frees the buffer, so that an idle connection keeps none.
  void release() {
    bytes_.clear();
    bytes_.shrink_to_fit();
  }
  // Bytes of heap.
  size_t heap() const { return bytes_.capacity(); }

 private:
  bool open_ = false;
  bool ends_stream_ = false;
  bool depends_on_itself_ = false;
  uint32_t stream_ = 0;
  uint32_t continuations_ = 0;
  std::vector<uint8_t> bytes_;
};

}  // namespace sluice::http2
