#pragma once
// The DATA frame at the end of a connection's output, while it may still grow: data that arrives
// for one stream within a turn, a segment at a time, shares a frame.

#include <cstdint>

#include "http2/frame.h"

namespace sluice::http2 {

class OpenFrame {
 public:
  // Begins a frame whose header lies at `header`, in the output. Its payload may not be there yet:
  // see ends_at().
  void begin(uint8_t* header, uint32_t stream, uint32_t size) {
    header_ = header;
    stream_ = stream;
    size_ = size;
  }
  // Sets the output position behind the payload.
  void ends_at(uint64_t position) { end_ = position; }
  // The output may leave from now on: the frame does not change any more.
  void close() { header_ = nullptr; }

  // Makes the frame n bytes longer; the caller appends them. False when the frame belongs to
  // another stream, is full, or is not the last thing in the output, which ends at output_end.
  bool lengthen(uint32_t stream, uint32_t n, bool end_stream, uint64_t output_end) {
    if (header_ == nullptr || stream_ != stream || end_ != output_end ||
        size_ + n > kDefaultMaxFrameSize)
      return false;
    size_ += n;
    FrameHeader{size_, FrameType::kData, end_stream ? kFlagEndStream : uint8_t{0}, stream}.emit(
        header_);
    return true;
  }

 private:
  uint8_t* header_ = nullptr;  // nullptr: no frame is open
  uint32_t stream_ = 0;
  uint32_t size_ = 0;  // payload bytes
  uint64_t end_ = 0;   // output position behind the frame
};

}  // namespace sluice::http2
