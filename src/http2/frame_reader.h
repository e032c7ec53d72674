#pragma once
// Cuts what a connection receives into frames (RFC 9113, 4.1): however the bytes are split, a frame
// header comes whole, and so does a payload, except DATA, which passes on as it arrives. Judges no
// frame.

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "buf/slice.h"
#include "http2/frame.h"

namespace sluice::http2 {

class FrameReader {
 public:
  // What the next byte belongs to: of a client's preface, of the first line of somebody who speaks
  // another protocol, or of a frame.
  enum class State : uint8_t { kPreface, kFirstLine, kHeader, kPayload, kData, kPadding };

  explicit FrameReader(State first) : state_(first) {}

  State state() const { return state_; }
  bool before_first_frame() const { return state_ <= State::kFirstLine; }
  // Something of a preface, a frame header or a payload has arrived, and its end has not.
  bool unfinished() const { return have_ > 0 || state_ == State::kPayload; }
  // The frame whose header came last.
  const FrameHeader& frame() const { return frame_; }
  // Bytes of heap.
  size_t heap() const { return partial_.capacity(); }

  // --- kPreface, kFirstLine ---

  // Bytes of a first line that are waited for; RFC 9112, 3 wants 8,000 at least.
  static constexpr size_t kLongestLine = 8'192;
  enum class Preface : uint8_t { kMore, kComplete, kDiffers };
  // kDiffers: bytes that no preface goes on with are next in `data`.
  Preface read_preface(buf::Slice& data);
  // A preface that differs: the byte that the connection began with.
  uint8_t first_byte(const buf::Slice& data) const;
  // It may be a line of text; what the preface had of it is kept.
  void begin_first_line();
  // What has come of the line; it lives until the next call.
  std::string_view read_first_line(buf::Slice& data);

  // --- kHeader ---

  bool at_first_byte() const { return have_ == 0; }
  // True when the header is complete: frame() has it. One of read_payload(), read_data() or
  // no_payload() follows.
  bool read_header(buf::Slice& data) {
    const uint32_t n = std::min(data.size(), kFrameHeaderSize - have_);
    std::memcpy(head_ + have_, data.data(), n);
    have_ += n;
    data.drop_front(n);
    if (have_ < kFrameHeaderSize) return false;
    have_ = 0;
    frame_ = FrameHeader::parse(head_);
    return true;
  }
  // The payload of the frame is to be collected. False when it has none.
  bool expect_payload() {
    if (frame_.size == 0) return false;
    state_ = State::kPayload;
    return true;
  }
  // The frame is DATA. False when it is padded and has no place for the pad length.
  bool expect_data() {
    data_left_ = frame_.size;
    padding_left_ = 0;
    pad_length_due_ = (frame_.flags & kFlagPadded) != 0;
    state_ = State::kData;
    return !pad_length_due_ || frame_.size > 0;
  }

  // --- kPayload ---

  // Nothing has been collected yet, and `data` holds the whole payload.
  bool holds_payload(const buf::Slice& data) const {
    return partial_.empty() && data.size() >= frame_.size;
  }
  // The payload in place, in the buffer of `data`.
  buf::View take_payload(buf::Slice& data) {
    state_ = State::kHeader;
    const buf::View payload = data.view().first(frame_.size);
    data.drop_front(frame_.size);
    return payload;
  }
  // Collects. True when the payload is complete.
  bool collect_payload(buf::Slice& data) {
    const auto n =
        std::min<uint32_t>(data.size(), frame_.size - static_cast<uint32_t>(partial_.size()));
    partial_.insert(partial_.end(), data.data(), data.data() + n);
    data.drop_front(n);
    if (partial_.size() < frame_.size) return false;
    state_ = State::kHeader;
    return true;
  }
  bool collected() const { return !partial_.empty(); }
  // Lives until release_collected().
  buf::View collected_payload() const { return partial_; }
  // An idle connection keeps no buffer.
  void release_collected() {
    partial_.clear();
    partial_.shrink_to_fit();
  }

  // --- kData, kPadding ---

  // The pad length is the next byte.
  bool pad_length_due() const { return pad_length_due_; }
  // False when the padding is longer than the frame (6.1).
  bool read_pad_length(buf::Slice& data) {
    pad_length_due_ = false;
    const uint8_t pad = data.data()[0];
    data.drop_front(1);
    if (pad > data_left_ - 1) return false;
    data_left_ -= 1u + pad;
    padding_left_ = pad;
    return true;
  }
  // Bytes of DATA and of padding that have still to come.
  uint32_t data_left() const { return data_left_; }
  uint32_t padding_left() const { return padding_left_; }
  // As much of the DATA as `data` holds. `data` is empty if that is all of it.
  buf::Slice read_data(buf::Slice& data) {
    const uint32_t n = std::min(data.size(), data_left_);
    data_left_ -= n;
    return n == data.size() ? std::move(data) : data.split_front(n);
  }
  // All of the DATA was read.
  void end_data() {
    assert(data_left_ == 0);
    state_ = padding_left_ > 0 ? State::kPadding : State::kHeader;
  }
  void skip_padding(buf::Slice& data) {
    const uint32_t n = std::min(data.size(), padding_left_);
    data.drop_front(n);
    padding_left_ -= n;
    if (padding_left_ == 0) state_ = State::kHeader;
  }

 private:
  State state_;
  bool pad_length_due_ = false;
  uint8_t head_[kFrameHeaderSize];
  FrameHeader frame_;
  uint32_t have_ = 0;       // bytes of preface or frame header so far
  uint32_t data_left_ = 0;  // of the DATA frame, without padding
  uint32_t padding_left_ = 0;
  std::vector<uint8_t> partial_;  // a payload, or a first line, that arrives in pieces
};

}  // namespace sluice::http2
