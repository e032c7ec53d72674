#pragma once
// A header or trailer section (RFC 9113, 8.1): what HPACK decodes into and encodes from.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sluice::http2 {

// Names that the relay or the validation looks at; everything else is kOther and crosses unread.
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

// The token of a lower-case field name; kOther for unknown ones.
Name name_of(std::string_view name);
std::string_view text_of(Name name);  // "" for kOther

struct Field {
  std::string_view name;
  std::string_view value;
  Name id = Name::kOther;
  bool never_indexed = false;  // RFC 7541, 7.1.3: must stay a literal on every hop
};

// Owns its bytes, in one block that keeps its capacity over clear(), so that recycled lists do not
// allocate. Views returned by it are valid until the next add() or clear(). Pseudo-header fields
// stand first, as they arrived.
class FieldList {
 public:
  void add(std::string_view name, std::string_view value, Name id, bool never_indexed = false) {
    entries_.push_back({static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(name.size()),
                        static_cast<uint32_t>(value.size()), id, never_indexed});
    bytes_.insert(bytes_.end(), name.begin(), name.end());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }
  void add(Name id, std::string_view value) { add(text_of(id), value, id); }
  void add(std::string_view name, std::string_view value) { add(name, value, name_of(name)); }

  void clear() {
    entries_.clear();
    bytes_.clear();
  }
  bool empty() const { return entries_.empty(); }
  size_t count() const { return entries_.size(); }
  // As SETTINGS_MAX_HEADER_LIST_SIZE counts it: names, values and 32 bytes a field.
  size_t size() const { return bytes_.size() + 32 * entries_.size(); }

  Field operator[](size_t i) const {
    const Entry& e = entries_[i];
    return {std::string_view(bytes_.data() + e.at, e.name),
            std::string_view(bytes_.data() + e.at + e.name, e.value), e.id, e.never_indexed};
  }
  // The value of the first field with this name.
  std::optional<std::string_view> find(Name id) const {
    for (size_t i = 0; i < entries_.size(); ++i)
      if (entries_[i].id == id) return (*this)[i].value;
    return std::nullopt;
  }
  void swap(FieldList& o) noexcept {
    entries_.swap(o.entries_);
    bytes_.swap(o.bytes_);
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
    Name id;
    bool never_indexed;
  };
  std::vector<Entry> entries_;
  std::vector<char> bytes_;
};

}  // namespace sluice::http2
