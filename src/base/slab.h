#pragma once
// Objects of one type from blocks that are never given back while the slab lives: create and
// destroy are a free-list push and pop, and a full slab refuses instead of growing without bound.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/poison.h"

namespace sluice {

// Single-threaded. The heap is touched only when `live` reaches a new maximum.
template <class T>
class Slab {
 public:
  // max: the most objects alive at once; 0 means no limit. block: objects per allocation.
  explicit Slab(size_t max = 0, size_t block = 64) : max_(max), block_(block) {}
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  // Every object must have been destroyed before; memory of forgotten ones is freed without their
  // destructors.
  ~Slab() {
    for (auto& b : blocks_) unpoison(b.get(), block_ * sizeof(Cell));
  }

  // nullptr when max objects are alive.
  template <class... Args>
  T* create(Args&&... args) {
    if (max_ != 0 && live_ >= max_) return nullptr;
    if (free_ == nullptr) grow();
    Cell* c = free_;
    unpoison(c, sizeof(Cell));
    free_ = c->next;
    ++live_;
    return ::new (static_cast<void*>(c)) T(std::forward<Args>(args)...);
  }

  void destroy(T* t) {
    t->~T();
    Cell* c = reinterpret_cast<Cell*>(t);
    c->next = free_;
    free_ = c;
    --live_;
    poison(c, sizeof(Cell));
  }

  size_t live() const { return live_; }
  size_t max() const { return max_; }
  size_t bytes() const { return blocks_.size() * block_ * sizeof(Cell); }

 private:
  union Cell {
    Cell* next;
    alignas(T) unsigned char storage[sizeof(T)];
  };

  void grow() {
    blocks_.push_back(std::make_unique_for_overwrite<Cell[]>(block_));
    Cell* cells = blocks_.back().get();
    for (size_t i = block_; i-- > 0;) {
      cells[i].next = free_;
      free_ = &cells[i];
      poison(&cells[i], sizeof(Cell));
    }
    // Poisoned cells are linked through `next`; create() unpoisons before it reads.
  }

  size_t max_;
  size_t block_;
  size_t live_ = 0;
  Cell* free_ = nullptr;
  std::vector<std::unique_ptr<Cell[]>> blocks_;
};

}  // namespace sluice
