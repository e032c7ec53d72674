#pragma once
// A header or trailer section (RFC 9113, 8.1): what HPACK decodes into and encodes from.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace sluice::http {

// The names that the relay or the validation looks at. All other names are kOther and cross unread.
// kNameText has the same order.
enum class Name : uint8_t {
  kOther,
  kAuthority,
  kMethod,
  kPath,
  kScheme,
  kStatus,
  kProtocol,
  kConnection,
  kContentLength,
  kContentType,
  kCookie,
  kExpect,
  kForwarded,
  kGrpcEncoding,
  kGrpcMessage,
  kGrpcPreviousRpcAttempts,
  kGrpcRetryPushbackMs,
  kGrpcStatus,
  kGrpcTimeout,
  kHost,
  kKeepAlive,
  kProxyConnection,
  kTe,
  kTransferEncoding,
  kUpgrade,
  kVia,
  kXForwardedFor,
};

inline constexpr std::array<std::string_view, 27> kNameText{
    "",
    ":authority",
    ":method",
    ":path",
    ":scheme",
    ":status",
    ":protocol",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "grpc-encoding",
    "grpc-message",
    "grpc-previous-rpc-attempts",
    "grpc-retry-pushback-ms",
    "grpc-status",
    "grpc-timeout",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
};
inline constexpr size_t kNameCount = kNameText.size();
static_assert(kNameCount == static_cast<size_t>(Name::kXForwardedFor) + 1);
static_assert(kNameCount <= 32);  // FieldList has a bit for each

// For all names but kOther.
constexpr bool is_pseudo(Name name) {
  return name >= Name::kAuthority && name <= Name::kProtocol;
}
constexpr uint32_t bit_of(Name name) {
  return uint32_t{1} << static_cast<unsigned>(name);
}

// The token of a lower-case field name; kOther for unknown ones.
Name name_of(std::string_view name);
// "" for kOther.
constexpr std::string_view text_of(Name name) {
  return kNameText[static_cast<size_t>(name)];
}

// Refers to a record of the worker's hpack::FieldTable with the same name and value. Encoding the
// field then is a look-up of a number. The reference is a hint: the record may be gone when it is
// used, which its generation shows. Handles up to 61 are entries of HPACK's static table.
struct FieldRef {
  uint32_t handle = 0;  // 0: none
  uint32_t generation = 0;
};

struct Field {
  std::string_view name;
  std::string_view value;
  Name id = Name::kOther;
  bool never_indexed = false;  // RFC 7541, 7.1.3: must stay a literal on every hop
  bool sound = false;          // http::sound() is known to hold (8.2.1)
  uint8_t static_name = 0;     // an entry of the static table with this name, if decoding saw one
  FieldRef ref;
};

// Plain, uninitialised values in one block that only grows. kSlack values behind the end are
// readable and writable, so that short strings can be copied in whole vector registers.
template <class T, size_t kSlack>
class Growing {
 public:
  // The capacity that clear() leaves to a recycled buffer: more than ordinary messages need.
  static constexpr size_t kKept = 8'192 / sizeof(T);

  Growing() = default;
  Growing(const Growing& o) { *this = o; }
  Growing& operator=(const Growing& o) {
    if (this == &o) return *this;
    size_ = 0;
    if (o.size_ > 0) std::memcpy(room(o.size_), o.data(), o.size_ * sizeof(T));
    size_ = o.size_;
    return *this;
  }

  const T* data() const { return values_.get(); }
  T& at(size_t i) { return values_[i]; }
  size_t size() const { return size_; }
  size_t heap() const { return capacity_ * sizeof(T); }  // bytes
  // Space for n values, with the slack behind them. The values count after grow().
  T* room(size_t n) {
    if (size_ + n + kSlack > capacity_) [[unlikely]]
      reserve(size_ + n + kSlack);
    return values_.get() + size_;
  }
  void grow(size_t n) { size_ += static_cast<uint32_t>(n); }
  void clear() {
    size_ = 0;
    if (capacity_ > kKept) [[unlikely]] {
      values_.reset();
      capacity_ = 0;
    }
  }
  // Gives back the capacity that the values do not need.
  void shrink() {
    if (size_ == 0) {
      values_.reset();
      capacity_ = 0;
    } else if (size_ + kSlack < capacity_) {
      reallocate(size_ + kSlack);
    }
  }
  void swap(Growing& o) noexcept {
    values_.swap(o.values_);
    std::swap(size_, o.size_);
    std::swap(capacity_, o.capacity_);
  }

 private:
  [[gnu::noinline]] void reserve(size_t n) {
    constexpr size_t kFirst = 512 / sizeof(T);
    reallocate(std::bit_ceil(std::max(kFirst, n)));
  }
  void reallocate(size_t capacity) {
    auto values = std::make_unique_for_overwrite<T[]>(capacity);
    if (size_ > 0) std::memcpy(values.get(), values_.get(), size_ * sizeof(T));
    values_ = std::move(values);
    capacity_ = static_cast<uint32_t>(capacity);
  }

  std::unique_ptr<T[]> values_;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

// Owns its bytes, in one block that keeps its capacity over clear(), so recycled lists do not
// allocate. Views that it returns are valid until the next add() or clear(). Pseudo-header fields
// stand first, in the order of arrival.
class FieldList {
 public:
  // Bytes behind room() that may be overwritten and read.
  static constexpr size_t kSlack = 32;

  void add(std::string_view name, std::string_view value, Name id, bool never_indexed = false) {
    char* to = text_.room(name.size() + value.size());
    if (!name.empty()) std::memcpy(to, name.data(), name.size());
    if (!value.empty()) std::memcpy(to + name.size(), value.data(), value.size());
    commit(name.size(), value.size(), {.id = id, .never_indexed = never_indexed});
  }
  void add(Name id, std::string_view value) { add(text_of(id), value, id); }
  void add(std::string_view name, std::string_view value) { add(name, value, name_of(name)); }

  // Adds a field in two steps, for the decoder: first space for n bytes of text, then the field
  // whose name and value were written there, the value behind the name.
  char* room(size_t n) { return text_.room(n); }
  struct Known {
    Name id = Name::kOther;
    bool never_indexed : 1 = false;
    bool sound : 1 = false;
    bool line : 1 = false;  // stands in the text as a line of HTTP/1.1, see commit_line()
    uint8_t static_name = 0;
    FieldRef ref;
  };
  void commit(size_t name, size_t value, const Known& known) {
    *entries_.room(1) = {static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(name),
                         static_cast<uint32_t>(value), known};
    entries_.grow(1);
    text_.grow(name + value);
    names_ |= bit_of(known.id);
  }
  // The same of a sound field whose text is a field line of HTTP/1.1 (RFC 9112, 5): name, colon,
  // blank, value, CR and LF. So lines() can hand on several fields as one piece.
  static constexpr uint32_t kLineBytes = 4;  // beside name and value
  void commit_line(size_t name, size_t value, Name id) {
    commit(name, value, {.id = id, .sound = true, .line = true});
    text_.grow(kLineBytes);
    line_bytes_ += kLineBytes;
  }
  // Copies all fields of `o` behind those of this list.
  void append(const FieldList& o) {
    if (o.empty()) return;
    const auto base = static_cast<uint32_t>(text_.size());
    std::memcpy(text_.room(o.text_.size()), o.text_.data(), o.text_.size());
    text_.grow(o.text_.size());
    Entry* to = entries_.room(o.entries_.size());
    for (size_t i = 0; i < o.entries_.size(); ++i) {
      to[i] = o.entries_.data()[i];
      to[i].at += base;
    }
    entries_.grow(o.entries_.size());
    names_ |= o.names_;
    line_bytes_ += o.line_bytes_;
  }
  // Fields from the i-th on that stand one behind the other as field lines, and whose names are not
  // in `except` (as bit_of() has them). The number of the fields; `text` gets their lines.
  size_t lines(size_t i, uint32_t except, std::string_view& text) const {
    const size_t first = i;
    const uint32_t begin = i < entries_.size() ? entries_.data()[i].at : 0;
    uint32_t end = begin;
    for (; i < entries_.size(); ++i) {
      const Entry& e = entries_.data()[i];
      if (!e.known.line || e.at != end || (bit_of(e.known.id) & except) != 0) break;
      end += e.name + e.value + kLineBytes;
    }
    text = {text_.data() + begin, end - begin};
    return i - first;
  }

  void clear() {
    names_ = 0;
    line_bytes_ = 0;
    entries_.clear();
    text_.clear();
  }
  // Gives back the capacity that the fields do not need. Views are invalid then.
  void shrink() {
    entries_.shrink();
    text_.shrink();
  }
  bool empty() const { return entries_.size() == 0; }
  size_t count() const { return entries_.size(); }
  // The size as SETTINGS_MAX_HEADER_LIST_SIZE counts it: names, values and 32 bytes a field.
  size_t size() const { return text_.size() - line_bytes_ + 32 * entries_.size(); }
  // Bytes of heap that the list takes.
  size_t heap() const { return text_.heap() + entries_.heap(); }

  Field operator[](size_t i) const {
    const Entry& e = entries_.data()[i];
    return {std::string_view(text_.data() + e.at, e.name),
            std::string_view(text_.data() + e.value_at(), e.value),
            e.known.id,
            e.known.never_indexed,
            e.known.sound,
            e.known.static_name,
            e.known.ref};
  }
  // The known facts of the i-th field, without its text.
  const Known& known(size_t i) const { return entries_.data()[i].known; }
  void set_ref(size_t i, FieldRef ref) { entries_.at(i).known.ref = ref; }
  std::string_view value(size_t i) const {
    const Entry& e = entries_.data()[i];
    return {text_.data() + e.value_at(), e.value};
  }
  bool has(Name id) const { return (names_ & bit_of(id)) != 0; }
  // The value of the first field with this name.
  std::optional<std::string_view> find(Name id) const {
    if (!has(id)) return std::nullopt;
    for (size_t i = 0; i < entries_.size(); ++i)
      if (entries_.data()[i].known.id == id) return value(i);
    return std::nullopt;
  }
  // Replaces the value of the first field with this name, which must be there. The old text stays
  // behind, unused, and counts in size().
  void replace(Name id, std::string_view value) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      const Entry old = entries_.data()[i];
      if (old.known.id != id) continue;
      char* to = text_.room(old.name + value.size());
      std::memcpy(to, text_.data() + old.at, old.name);
      if (!value.empty()) std::memcpy(to + old.name, value.data(), value.size());
      entries_.at(i) = {static_cast<uint32_t>(text_.size()),
                        old.name,
                        static_cast<uint32_t>(value.size()),
                        {.id = id,
                         .never_indexed = old.known.never_indexed,
                         .sound = old.known.sound,
                         .static_name = old.known.static_name}};
      text_.grow(old.name + value.size());
      return;
    }
  }
  // Removes blanks and tabs at both ends of the i-th field's value. The field then refers to no
  // record.
  void strip(size_t i) {
    Entry& e = entries_.at(i);
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    char* const value = &text_.at(e.value_at());
    uint32_t begin = 0;
    while (e.value > 0 && blank(value[e.value - 1])) --e.value;
    while (begin < e.value && blank(value[begin])) ++begin;
    e.value -= begin;
    if (e.known.line) {  // no line any more
      e.known.line = false;
      line_bytes_ -= kLineBytes;
    }
    std::memmove(&text_.at(e.value_at()), value + begin, e.value);
    e.known.ref = {};
  }
  void swap(FieldList& o) noexcept {
    std::swap(names_, o.names_);
    std::swap(line_bytes_, o.line_bytes_);
    entries_.swap(o.entries_);
    text_.swap(o.text_);
  }

  class Iterator {
   public:
    Iterator(const FieldList* list, size_t i) : list_(list), i_(i) {}
    Field operator*() const { return (*list_)[i_]; }
    Iterator& operator++() {
      ++i_;
      return *this;
    }
    bool operator!=(const Iterator& o) const { return i_ != o.i_; }

   private:
    const FieldList* list_;
    size_t i_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, entries_.size()}; }

 private:
  struct Entry {
    uint32_t at;
    uint32_t name;
    uint32_t value;
    Known known;
    uint32_t value_at() const { return at + name + (known.line ? 2 : 0); }
  };
  uint32_t names_ = 0;       // bit_of() for the name of each field
  uint32_t line_bytes_ = 0;  // of the text, those between and behind names and values
  Growing<Entry, 0> entries_;
  Growing<char, kSlack> text_;
};

}  // namespace sluice::http
