#pragma once
// A list that copies share until one of them changes it: the pods of a service, of which a snapshot
// has thousands, and the next snapshot nearly the same.

#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

namespace sluice::config {

// Reads as a vector that cannot be changed. Two threads may read lists that share their elements. A
// list is changed by its only owner, before others see it.
template <class T>
class SharedList {
 public:
  using value_type = T;
  using const_iterator = typename std::vector<T>::const_iterator;
  using const_reference = const T&;

  SharedList() = default;
  SharedList(std::vector<T> all)  // NOLINT(google-explicit-constructor): a list is its elements
      : all_(all.empty() ? nullptr : std::make_shared<std::vector<T>>(std::move(all))) {}
  SharedList(std::initializer_list<T> all) : SharedList(std::vector<T>(all)) {}

  bool empty() const { return all_ == nullptr || all_->empty(); }
  size_t size() const { return all_ == nullptr ? 0 : all_->size(); }
  const T& operator[](size_t i) const { return (*all_)[i]; }
  const T& front() const { return all_->front(); }
  const T& back() const { return all_->back(); }
  const_iterator begin() const { return get().begin(); }
  const_iterator end() const { return get().end(); }
  const std::vector<T>& get() const {
    static const std::vector<T> kNone;
    return all_ == nullptr ? kNone : *all_;
  }

  // The elements, to be changed: a copy of their own if another list has them, too.
  std::vector<T>& edit() {
    if (all_ == nullptr) {
      all_ = std::make_shared<std::vector<T>>();
    } else if (all_.use_count() > 1) {
      all_ = std::make_shared<std::vector<T>>(*all_);
    }
    return *all_;
  }
  void push_back(T t) { edit().push_back(std::move(t)); }
  void clear() { all_.reset(); }

  // Both have the very same elements, not only equal ones.
  bool shares_with(const SharedList& o) const { return all_ == o.all_; }
  bool operator==(const SharedList& o) const { return all_ == o.all_ || get() == o.get(); }

 private:
  std::shared_ptr<std::vector<T>> all_;
};

}  // namespace sluice::config
