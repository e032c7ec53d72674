#include "base/pages.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <utility>

namespace sluice {

namespace {

void* map(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return p;
}

}  // namespace

Pages::Pages(size_t bytes) : size_(bytes) {
  if (bytes < kHugePage) {
    data_ = map(bytes);
    return;
  }
  size_ = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  // Maps one page more than asked for, and gives its ends back, so that the rest is aligned.
  const size_t mapped = size_ + kHugePage;
  auto* begin = static_cast<uint8_t*>(map(mapped));
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before > 0) munmap(begin, before);
  data_ = begin + before;
  munmap(begin + before + size_, mapped - before - size_);
  madvise(data_, size_, MADV_HUGEPAGE);  // a wish: without huge pages lookups are only slower
}

Pages::Pages(Pages&& o) noexcept
    : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}

Pages& Pages::operator=(Pages&& o) noexcept {
  std::swap(data_, o.data_);
  std::swap(size_, o.size_);
  return *this;
}

Pages::~Pages() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace sluice
