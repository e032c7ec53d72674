#pragma once
// The data of an echo request, for the reply.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "buf/chain.h"
#include "ip/icmp.h"

namespace sluice::ip {

// Refers to the bytes of the request, which outlives this.
class EchoData {
 public:
  // request: an ICMP header of eight bytes in its first buffer, then data.
  explicit EchoData(const buf::Chain& request) {
    request.for_each([this](buf::View piece) {
      if (count_ < pieces_.size())
        pieces_[count_++] = piece;
      else
        whole_ = false;
    });
    pieces_[0] = pieces_[0].subspan(icmp::kHeaderSize);
    size_ = request.size() - icmp::kHeaderSize;
  }

  // False: the data lies in more buffers than the largest frame of a link fills.
  bool whole() const { return whole_; }
  std::span<const buf::Fragment> pieces() const { return {pieces_.data(), count_}; }
  uint32_t size() const { return size_; }

 private:
  std::array<buf::Fragment, 8> pieces_;
  size_t count_ = 0;
  uint32_t size_ = 0;
  bool whole_ = true;
};

}  // namespace sluice::ip
