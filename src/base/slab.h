#pragma once
// Objects of one type, in blocks that are never given back while the slab lives. create and destroy
// are a pop and a push of a free list. A full slab refuses instead of growing without bound.

#include <algorithm>
#include <cstddef>
#include <new>
#include <utility>
#include <vector>

#include "base/pages.h"
#include "base/poison.h"

namespace sluice {

// Single-threaded. The slab allocates only when `live` reaches a new maximum: blocks double in size
// until one is a huge page.
template <class T>
class Slab {
 public:
  // max: the most objects alive at once; 0 means no limit. first: objects of the first block.
  explicit Slab(size_t max = 0, size_t first = 64) : max_(max), first_(first) {}
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  // Every object must have been destroyed before. The memory of other objects is freed without
  // their destructors.
  ~Slab() {
    for (const Block& b : blocks_) {
      unpoison(b.cells, b.count * sizeof(Cell));
      if (b.pages.get() == nullptr) delete[] b.cells;
    }
  }

  // nullptr when max objects are alive.
  template <class... Args>
  T* create(Args&&... args) {
    if (max_ != 0 && live_ >= max_) return nullptr;
    Cell* c = free_;
    if (c != nullptr) {
      unpoison(c, sizeof(Cell));
      free_ = c->next;
    } else {
      if (fresh_ == fresh_end_) grow();
      c = fresh_++;
      unpoison(c, sizeof(Cell));
    }
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
  size_t bytes() const { return bytes_; }

 private:
  union Cell {
    Cell* next;
    alignas(T) unsigned char storage[sizeof(T)];
  };
  struct Block {
    Cell* cells = nullptr;
    size_t count = 0;
    Pages pages;  // memory of the cells, unless they came from the heap
  };

  void grow() {
    const size_t bytes = std::max(first_ * sizeof(Cell), std::min(bytes_, kHugePage));
    Block b;
    b.count = bytes / sizeof(Cell);
    if (bytes >= kHugePage) {
      b.pages = Pages(bytes);
      b.cells = static_cast<Cell*>(b.pages.get());
    } else {
      b.cells = new Cell[b.count];
    }
    bytes_ += bytes;
    fresh_ = b.cells;
    fresh_end_ = b.cells + b.count;
    poison(b.cells, b.count * sizeof(Cell));
    blocks_.push_back(std::move(b));
  }

  size_t max_;
  size_t first_;
  size_t live_ = 0;
  size_t bytes_ = 0;
  Cell* free_ = nullptr;   // cells that were used before
  Cell* fresh_ = nullptr;  // cells of the last block that were never used
  Cell* fresh_end_ = nullptr;
  std::vector<Block> blocks_;
};

}  // namespace sluice
