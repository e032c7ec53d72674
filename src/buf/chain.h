#pragma once
// The bytes of a received packet: one packet buffer, or several (a NIC that merges packets, or a
// packet longer than a buffer).

#include <rte_mbuf.h>

#include <cassert>
#include <cstdint>
#include <utility>

#include "buf/slice.h"

namespace sluice::buf {

// Owns its buffers, which nobody else refers to until they leave the chain. Move-only. The first
// slice is empty only if the whole chain is.
class Chain {
 public:
  Chain() = default;
  Chain(Slice s) : front_(std::move(s)) {}  // NOLINT: one slice is a chain
  // Takes over the caller's reference to m and to all buffers behind it.
  explicit Chain(rte_mbuf* m) : front_(m) {
    if (m->nb_segs == 1) [[likely]]
      return;
    rest_size_ = m->pkt_len - m->data_len;
    rest_ = std::exchange(m->next, nullptr);
    m->nb_segs = 1;
    m->pkt_len = m->data_len;
    skip_empty();
  }
  Chain(Chain&& o) noexcept
      : front_(std::move(o.front_)),
        rest_size_(std::exchange(o.rest_size_, 0)),
        rest_(std::exchange(o.rest_, nullptr)) {}
  Chain& operator=(Chain&& o) noexcept {
    if (this != &o) {
      free_rest();
      front_ = std::move(o.front_);
      rest_size_ = std::exchange(o.rest_size_, 0);
      rest_ = std::exchange(o.rest_, nullptr);
    }
    return *this;
  }
  ~Chain() { free_rest(); }

  uint32_t size() const { return front_.size() + rest_size_; }
  bool single() const { return rest_ == nullptr; }
  // The first slice. A packet's headers lie in it.
  const Slice& front() const { return front_; }
  Slice& front() { return front_; }
  View view() const {
    assert(single());
    return front_.view();
  }

  // Gives all buffers back.
  void clear() {
    front_.reset();
    rest_size_ = 0;
    free_rest();
  }

  // Takes the first slice out of the chain; the next buffer becomes the first.
  Slice pop_front() {
    Slice s = std::move(front_);
    if (rest_ != nullptr) load_front();
    return s;
  }

  // n: at most size().
  void drop_front(uint32_t n) {
    if (n < front_.size() || rest_ == nullptr) [[likely]] {
      front_.drop_front(n);
      return;
    }
    drop_front_buffers(n);
  }
  void drop_back(uint32_t n) {
    if (rest_ == nullptr) [[likely]] {
      front_.drop_back(n);
      return;
    }
    drop_back_buffers(n);
  }

  // Calls f(View) for the bytes of each buffer, in order.
  template <class F>
  void for_each(F&& f) const {
    f(front_.view());
    uint32_t left = rest_size_;
    for (const rte_mbuf* m = rest_; left > 0; m = m->next) {
      const uint32_t n = m->data_len < left ? m->data_len : left;
      f(View(rte_pktmbuf_mtod(m, const uint8_t*), n));
      left -= n;
    }
  }

 private:
  void load_front();
  void skip_empty();
  void drop_front_buffers(uint32_t n);
  void drop_back_buffers(uint32_t n);
  void free_rest() {
    if (rest_ != nullptr) [[unlikely]]
      rte_pktmbuf_free(std::exchange(rest_, nullptr));
  }

  Slice front_;
  uint32_t rest_size_ =
      0;  // bytes behind front_; the last buffer may have more, which do not count
  rte_mbuf* rest_ = nullptr;
};

}  // namespace sluice::buf
