#pragma once
// The copy of a request, kept while another attempt is possible.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "buf/memory.h"
#include "buf/queue.h"
#include "http/fields.h"

namespace sluice::relay {

// Small bodies are copied into one block that keeps its capacity when the object is recycled;
// larger pieces are shared with the packets that they arrived in.
class Replay {
 public:
  // Headers and trailers, whole.
  http::FieldList headers;
  http::FieldList trailers;
  size_t parked = 0;  // heap() when it was put away for recycling

  // The copy has the whole body so far. False from forget_body() on.
  bool whole() const { return whole_; }
  // False when there is no memory. The copy is then incomplete, and the caller calls forget_body().
  bool remember(const buf::Slice& piece, buf::Memory& memory);
  // The body takes more heap or buffers than at the last take_grown().
  bool take_grown() { return grown_ && std::exchange(grown_, false); }
  void forget_body() {
    whole_ = false;
    small_.clear();
    if (small_.capacity() > kKeptCapacity) std::vector<uint8_t>().swap(small_);
    large_.clear();
  }
  // Empties the object for recycling.
  void clear() {
    headers.clear();
    trailers.clear();
    forget_body();
    whole_ = true;
  }

  uint64_t body_size() const { return small_.size() + large_.size(); }
  // Packet buffers that the body pins.
  uint32_t buffers() const { return large_.slices(); }
  // Bytes of heap that fields and copied pieces take, kept capacity included.
  size_t heap() const { return headers.heap() + trailers.heap() + small_.capacity(); }

  // fn(Slice, bool last) for the body in order. False when there is no memory for a copy.
  template <class Fn>
  bool for_each(buf::Memory& memory, Fn&& fn) const {
    for (size_t at = 0; at < small_.size();) {
      buf::Slice s = memory.hold().alloc();
      if (!s) return false;
      const auto n = static_cast<uint32_t>(std::min<size_t>(s.tailroom(), small_.size() - at));
      std::memcpy(s.mutable_data(), small_.data() + at, n);
      s.grow_back(n);
      at += n;
      fn(std::move(s), at == small_.size() && large_.empty());
    }
    uint64_t left = large_.size();
    large_.for_each([&](const buf::Slice& s) {
      left -= s.size();
      fn(s.share(), left == 0);
    });
    return true;
  }

 private:
  static constexpr uint32_t kCopyBreak = 512;  // bytes: a copy costs less than pinning a packet
  // Bytes that a recycled object keeps. Most requests are smaller; thousands of recycled objects
  // must not keep the capacity that a few large requests needed.
  static constexpr size_t kKeptCapacity = 4'096;

  std::vector<uint8_t> small_;
  buf::Queue large_;
  bool grown_ = false;
  bool whole_ = true;
};

}  // namespace sluice::relay
