#pragma once
// A FIFO of slices with 64-bit stream positions: the bytes that a TCP connection has to send and
// may have to retransmit, or the bytes that an HTTP/2 stream has to frame.

#include <cassert>
#include <cstdint>
#include <memory>

#include "buf/pool.h"
#include "buf/slice.h"

namespace sluice::buf {

// Positions count all bytes ever appended: [begin(), end()) is in the queue. Single-threaded. The
// ring of entries doubles to grow, and is given back when the queue empties after it was large.
class Queue {
 public:
  Queue() = default;
  Queue(Queue&&) = delete;
  ~Queue() { clear(); }

  uint64_t begin() const { return begin_; }
  uint64_t end() const { return end_; }
  uint64_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  // The number of slices. Each pins kMaxBuffer bytes at most.
  uint32_t slices() const { return count_; }

  void append(Slice s);

  // Copies into the tail buffer, taking fresh buffers from `pool` as needed. False, with nothing
  // appended, when the pool has none.
  bool append_copy(View bytes, Pool& pool);

  // `n` contiguous writable bytes at the end (n <= kMaxContiguous), already counted in end();
  // nullptr when the pool is exhausted. For writers that format in place; undo with drop_back.
  uint8_t* append_space(uint32_t n, Pool& pool);
  static constexpr uint32_t kMaxContiguous = 1024;

  // Gives the last n bytes back; they must have come from the latest append_space.
  void drop_back(uint32_t n);

  // Removes everything before `position`, begin() <= position <= end().
  void trim_to(uint64_t position);
  void clear();
  // Gives back the memory that an empty queue keeps for the next burst: for idle connections.
  void shrink();

  // Takes the next piece: at most `max` bytes of the first slice.
  Slice pop(uint32_t max);

  // Calls fn(const Slice&) for every slice, in order.
  template <class Fn>
  void for_each(Fn&& fn) const {
    for (uint32_t i = 0; i < count_; ++i) fn(at(i).slice);
  }

  // Calls fn(Fragment) for the pieces of [position, position + n), in order.
  template <class Fn>
  void peek(uint64_t position, uint32_t n, Fn&& fn) const {
    assert(position >= begin_ && position + n <= end_);
    for (uint32_t i = find(position); n > 0; ++i) {
      const Entry& e = at(i);
      const auto skip = static_cast<uint32_t>(position - e.position);
      const uint32_t take = std::min(n, e.slice.size() - skip);
      fn(Fragment(View(e.slice.data() + skip, take), e.slice.mbuf()));
      position += take;
      n -= take;
    }
  }

 private:
  struct Entry {
    Slice slice;
    uint64_t position = 0;
  };
  Entry& at(uint32_t i) const { return ring_[(head_ + i) & (capacity_ - 1)]; }
  uint32_t find(uint64_t position) const;
  void push(Slice s);

  std::unique_ptr<Entry[]> ring_;
  uint32_t capacity_ = 0;  // a power of two, or zero
  uint32_t head_ = 0;
  uint32_t count_ = 0;
  bool tail_writable_ = false;  // the last slice came from append_copy/append_space
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

}  // namespace sluice::buf
