#pragma once
// A byte range of a packet buffer, reference-counted. Payload crosses Sluice by moving and sharing
// slices, not by copying bytes.

#include <rte_mbuf.h>

#include <cassert>
#include <cstdint>
#include <span>
#include <utility>

#include "base/poison.h"

namespace sluice::buf {

// Bytes that somebody else keeps alive.
using View = std::span<const uint8_t>;

// The same, with the packet buffer of the bytes if there is one. A port that sends chains refers to
// the buffer, and other ports copy.
struct Fragment : View {
  Fragment() = default;
  Fragment(View bytes, rte_mbuf* in = nullptr) : View(bytes), owner(in) {}  // NOLINT: a View is one
  Fragment first(size_t n) const { return {View::first(n), owner}; }
  rte_mbuf* owner = nullptr;  // a direct buffer
};

#ifdef SLUICE_ASAN
// Off while a driver fills free buffers through libc calls that the sanitizer watches.
inline bool poison_free_buffers = true;
#endif

// Owns one reference to a single-segment direct mbuf; the last reference gives the mbuf back to its
// pool. Move-only: a second reference is an explicit share(). The bytes are read-only as soon as
// shared() is true. An empty slice (default, moved-from) refers to nothing.
class Slice {
 public:
  Slice() = default;
  // Takes over the caller's reference to m.
  Slice(rte_mbuf* m, const uint8_t* data, uint32_t size) : mbuf_(m), data_(data), size_(size) {}
  explicit Slice(rte_mbuf* m) : Slice(m, rte_pktmbuf_mtod(m, const uint8_t*), m->data_len) {}
  Slice(Slice&& o) noexcept
      : mbuf_(std::exchange(o.mbuf_, nullptr)),
        data_(std::exchange(o.data_, nullptr)),
        size_(std::exchange(o.size_, 0)) {}
  Slice& operator=(Slice&& o) noexcept {
    if (this != &o) {
      reset();
      mbuf_ = std::exchange(o.mbuf_, nullptr);
      data_ = std::exchange(o.data_, nullptr);
      size_ = std::exchange(o.size_, 0);
    }
    return *this;
  }
  ~Slice() { reset(); }

  explicit operator bool() const { return mbuf_ != nullptr; }
  const uint8_t* data() const { return data_; }
  uint32_t size() const { return size_; }
  View view() const { return {data_, size_}; }
  rte_mbuf* mbuf() const { return mbuf_; }
  bool shared() const { return rte_mbuf_refcnt_read(mbuf_) > 1; }

  // Only while nobody shares the buffer.
  uint8_t* mutable_data() {
    assert(!shared());
    return const_cast<uint8_t*>(data_);
  }
  // Bytes that fit behind the slice in its buffer. Only while nobody shares the buffer.
  uint32_t tailroom() const {
    const auto* end = static_cast<const uint8_t*>(mbuf_->buf_addr) + mbuf_->buf_len;
    return static_cast<uint32_t>(end - (data_ + size_));
  }
  void grow_back(uint32_t n) {
    assert(n <= tailroom());
    size_ += n;
  }

  // Another reference to the same bytes.
  Slice share() const {
    if (mbuf_ == nullptr) return {};
    rte_mbuf_refcnt_update(mbuf_, 1);
    return {mbuf_, data_, size_};
  }
  Slice share(uint32_t offset, uint32_t n) const {
    assert(offset + n <= size_);
    Slice s = share();
    s.data_ += offset;
    s.size_ = n;
    return s;
  }
  // The first n bytes as a slice of their own. This slice keeps the rest; both refer to the buffer.
  Slice split_front(uint32_t n) {
    Slice front = share(0, n);
    drop_front(n);
    return front;
  }
  void drop_front(uint32_t n) {
    assert(n <= size_);
    data_ += n;
    size_ -= n;
  }
  void drop_back(uint32_t n) {
    assert(n <= size_);
    size_ -= n;
  }

  // Gives the reference, and the duty to free it, to the caller.
  rte_mbuf* release() {
    data_ = nullptr;
    size_ = 0;
    return std::exchange(mbuf_, nullptr);
  }

  void reset() {
    if (mbuf_ != nullptr) give_back(release());
  }

 private:
  // Not inline: most slices that are destroyed have been moved from.
  [[gnu::noinline]] static void give_back(rte_mbuf* m) {
#ifdef SLUICE_ASAN
    if (poison_free_buffers && rte_mbuf_refcnt_read(m) == 1) poison(m->buf_addr, m->buf_len);
#endif
    rte_pktmbuf_free_seg(m);
  }

  rte_mbuf* mbuf_ = nullptr;
  const uint8_t* data_ = nullptr;
  uint32_t size_ = 0;
};

}  // namespace sluice::buf
