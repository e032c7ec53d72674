#pragma once
// The DATA frame at the end of a connection's output, as long as it may become longer: what arrives
// for one stream within a turn, a segment at a time, shares a frame.

#include <cstdint>

#include "http2/frame.h"

namespace sluice::http2 {

class OpenFrame {
 public:
  // A frame was begun whose header lies at `header`, in the output. Its payload may still be on its
  // way there: see ends_at().
  void begin(uint8_t* header, uint32_t stream, uint32_t size) {
    header_ = header;
    stream_ = stream;
    size_ = size;
  }
  // The output position behind the payload.
  void ends_at(uint64_t position) { end_ = position; }
  // From here on the output may leave: the frame stays as it is.
  void close() { header_ = nullptr; }

  // Makes the frame longer by n bytes, which the caller appends. False when it is another stream's,
  // or full, or not the last thing in the output, which ends at output_end.
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
  uint8_t* header_ = nullptr;  // nullptr when there is none
  uint32_t stream_ = 0;
  uint32_t size_ = 0;  // payload bytes
  uint64_t end_ = 0;   // output position behind it
};

}  // namespace sluice::http2
