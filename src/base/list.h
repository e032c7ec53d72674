#pragma once
// Intrusive doubly linked list: the element carries its own links, so that membership costs no
// allocation and an element leaves in constant time without knowing its list.

#include <cassert>
#include <cstddef>

namespace sluice {

// One base for each list that an element can be in at the same time; Tag tells the bases apart.
template <class Tag = void>
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { unlink(); }

  bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (!linked()) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = nullptr;
  }

 private:
  template <class T, class U>
  friend class List;
  ListHook* prev_ = nullptr;
  ListHook* next_ = nullptr;
};

// Owns nothing. Elements must outlive their membership or unlink themselves (the hook's destructor
// does). push of an element that is already linked is an error.
template <class T, class Tag = void>
class List {
  using Hook = ListHook<Tag>;

 public:
  List() { head_.prev_ = head_.next_ = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() {
    clear();
    head_.prev_ = head_.next_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  T& front() { return *static_cast<T*>(head_.next_); }
  T& back() { return *static_cast<T*>(head_.prev_); }
  void push_back(T& t) { insert(head_.prev_, t); }
  void push_front(T& t) { insert(&head_, t); }
  void insert_before(T& at, T& t) { insert(static_cast<Hook&>(at).prev_, t); }
  // The neighbours of an element of this list; nullptr at its ends.
  T* next(T& t) { return element(static_cast<Hook&>(t).next_); }
  T* previous(T& t) { return element(static_cast<Hook&>(t).prev_); }
  T* pop_front() {
    if (empty()) return nullptr;
    T& t = front();
    static_cast<Hook&>(t).unlink();
    return &t;
  }
  void clear() {
    while (pop_front() != nullptr) {
    }
  }
  // Moves every element of `other` to the end of this list.
  void splice_back(List& other) {
    while (T* t = other.pop_front()) push_back(*t);
  }

  // The current element may be unlinked inside a range-for; no other element may.
  class Iterator {
   public:
    explicit Iterator(Hook* at) : at_(at), next_(at->next_) {}
    T& operator*() const { return *static_cast<T*>(at_); }
    Iterator& operator++() {
      at_ = next_;
      next_ = at_->next_;
      return *this;
    }
    bool operator!=(const Iterator& o) const { return at_ != o.at_; }

   private:
    Hook* at_;
    Hook* next_;
  };
  Iterator begin() { return Iterator(head_.next_); }
  Iterator end() { return Iterator(&head_); }

 private:
  T* element(Hook* h) { return h == &head_ ? nullptr : static_cast<T*>(h); }
  void insert(Hook* after, T& t) {
    Hook& h = t;
    assert(!h.linked());
    h.prev_ = after;
    h.next_ = after->next_;
    after->next_->prev_ = &h;
    after->next_ = &h;
  }
  Hook head_;
};

}  // namespace sluice
