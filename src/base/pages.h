#pragma once
// Large memory from the operating system, on huge pages where the system has them. Without huge
// pages the random lookups of a worker would miss the TLB with every object.

#include <cstddef>

namespace sluice {

inline constexpr size_t kHugePage = 2 * 1024 * 1024;  // bytes, x86-64 and arm64 alike

// Zeroed bytes; pages take memory only when they are touched. kHugePage bytes or more are aligned
// to kHugePage and lie on huge pages. Throws std::bad_alloc.
class Pages {
 public:
  Pages() = default;
  explicit Pages(size_t bytes);
  Pages(Pages&& o) noexcept;
  Pages& operator=(Pages&& o) noexcept;
  ~Pages();

  void* get() const { return data_; }
  size_t size() const { return size_; }  // the size that was asked for, or more

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace sluice
