#pragma once
// Cuts a byte stream into HTTP/2 frames (RFC 9113, 4.1) without copying what arrives whole.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "buf/slice.h"
#include "http2/frame.h"

namespace sluice::load {

class FrameReader {
 public:
  // The connection preface of a client, which a server reads first.
  void skip(uint32_t bytes) { skip_ = bytes; }

  // Calls to.data(header, View, last) for DATA, piece by piece, and to.frame(header, View) for
  // every other frame. Padding is not understood: nobody here sends any.
  template <class To>
  void feed(buf::View in, To& to) {
    const size_t skipped = std::min<size_t>(skip_, in.size());
    skip_ -= static_cast<uint32_t>(skipped);
    in = in.subspan(skipped);
    while (!in.empty()) {
      if (have_ < http2::kFrameHeaderSize) {
        const size_t n = std::min(in.size(), size_t{http2::kFrameHeaderSize} - have_);
        std::copy_n(in.data(), n, header_bytes_.data() + have_);
        have_ += static_cast<uint32_t>(n);
        in = in.subspan(n);
        if (have_ < http2::kFrameHeaderSize) return;
        header_ = http2::FrameHeader::parse(header_bytes_.data());
        left_ = header_.size;
      }
      const size_t n = std::min<size_t>(in.size(), left_);
      const buf::View piece = in.first(n);
      in = in.subspan(n);
      left_ -= static_cast<uint32_t>(n);
      const bool last = left_ == 0;
      if (last) have_ = 0;
      if (header_.type == http2::FrameType::kData) {
        to.data(header_, piece, last);
      } else if (last && payload_.empty()) {
        to.frame(header_, piece);
      } else {
        payload_.insert(payload_.end(), piece.begin(), piece.end());
        if (!last) return;
        to.frame(header_, payload_);
        payload_.clear();
      }
    }
  }

 private:
  uint32_t skip_ = 0;
  uint32_t have_ = 0;  // bytes of the header
  uint32_t left_ = 0;  // bytes of the payload
  http2::FrameHeader header_;
  std::array<uint8_t, http2::kFrameHeaderSize> header_bytes_{};
  std::vector<uint8_t> payload_;
};

}  // namespace sluice::load
