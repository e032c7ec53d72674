#pragma once
// A bounded queue from one thread to another, without locks. The producer stages items and
// publishes them together, so that a batch moves one cache line between the cores.

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace sluice {

template <class T>
class SpscRing {
 public:
  // capacity: items; rounded up to a power of two.
  explicit SpscRing(size_t capacity)
      : mask_(std::bit_ceil(capacity) - 1), slots_(std::make_unique<T[]>(mask_ + 1)) {}

  // The producer. An item that was staged is not seen by the consumer before publish(). False when
  // the ring is full: `item` is untouched.
  bool stage(T&& item) {
    if (staged_ - known_head_ > mask_) {
      known_head_ = head_.load(std::memory_order_acquire);
      if (staged_ - known_head_ > mask_) return false;
    }
    slots_[staged_++ & mask_] = std::move(item);
    return true;
  }
  // Returns whether an item had been staged.
  bool publish() {
    if (staged_ == tail_.load(std::memory_order_relaxed)) return false;
    tail_.store(staged_, std::memory_order_release);
    return true;
  }

  // The consumer: moves up to out.size() items to `out`, oldest first, and returns their number.
  size_t take(std::span<T> out) {
    size_t head = head_.load(std::memory_order_relaxed);
    if (head == known_tail_) {
      known_tail_ = tail_.load(std::memory_order_acquire);
      if (head == known_tail_) return 0;
    }
    size_t n = 0;
    while (n < out.size() && head != known_tail_) out[n++] = std::move(slots_[head++ & mask_]);
    head_.store(head, std::memory_order_release);
    return n;
  }

 private:
  static constexpr size_t kLine = 64;  // bytes of a cache line

  const size_t mask_;
  const std::unique_ptr<T[]> slots_;
  // The counts of items only grow; an item's slot is the count's low bits.
  alignas(kLine) std::atomic<size_t> tail_{0};  // written by the producer, as the next two
  size_t staged_ = 0;
  size_t known_head_ = 0;
  alignas(kLine) std::atomic<size_t> head_{0};  // written by the consumer, as the next one
  size_t known_tail_ = 0;
};

}  // namespace sluice
