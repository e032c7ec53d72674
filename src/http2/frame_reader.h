#pragma once
// Cuts received bytes into frames (RFC 9113, 4.1). However the bytes are split, a frame header
// comes whole, and so does a payload, except DATA, which passes on as it arrives. The reader does
// not judge frames.

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
  // The part that the next byte belongs to: a client's preface, the first line of a peer that
  // speaks another protocol, or a part of a frame.
  enum class State : uint8_t { kPreface, kFirstLine, kHeader, kPayload, kData, kPadding };

  explicit FrameReader(State first) : state_(first) {}

  State state() const { return state_; }
  bool before_first_frame() const { return state_ <= State::kFirstLine; }
  // Part of a preface, a frame header or a payload has arrived, and its end has not.
  bool unfinished() const { return have_ > 0 || state_ == State::kPayload; }
  // The frame whose header came last.
  const FrameHeader& frame() const { return frame_; }
  // Bytes of heap.
  size_t heap() const { return partial_.capacity(); }

  // --- kPreface, kFirstLine ---

  // The longest first line to wait for; RFC 9112, 3 asks for at least 8,000 bytes.
  static constexpr size_t kLongestLine = 8'192;
  enum class Preface : uint8_t { kMore, kComplete, kDiffers };
  // kDiffers: the next bytes in `data` do not continue a preface.
  Preface read_preface(buf::Slice& data);
  // After a preface that differs: the first byte of the connection.
  uint8_t first_byte(const buf::Slice& data) const;
  // The bytes may be a line of text. Keeps those that were read as a preface.
  void begin_first_line();
  // The part of the line that has arrived. It lives until the next call.
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
  // Prepares to collect the payload of the frame. False when the frame has none.
  bool expect_payload() {
    if (frame_.size == 0) return false;
    state_ = State::kPayload;
    return true;
  }
  // The frame is DATA. False when the frame is padded and has no place for the pad length.
  bool expect_data() {
    data_left_ = frame_.size;
    padding_left_ = 0;
    pad_length_due_ = (frame_.flags & kFlagPadded) != 0;
    state_ = State::kData;
    return !pad_length_due_ || frame_.size > 0;
  }

  // --- kPayload ---

  // Nothing is collected yet, and `data` holds the whole payload.
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
  // Collects bytes of the payload. True when the payload is complete.
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
  // Frees the buffer, so that an idle connection keeps none.
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
  // Bytes of DATA that have still to come. padding_left(): of padding.
  uint32_t data_left() const { return data_left_; }
  uint32_t padding_left() const { return padding_left_; }
  // Reads as much of the DATA as `data` holds; `data` is empty afterwards if it held no more.
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
