#include "tls/hello_reader.h"

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"
#include "tls/client_hello.h"

namespace sluice::tls {
namespace {

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kMajorVersion = 3;
constexpr uint8_t kClientHello = 1;
constexpr size_t kMessageHeader = 4;  // type (1), length (3)
constexpr uint16_t kServerName = 0;
constexpr uint32_t kLongestRecord = 1 << 14;

// Reads fields from the front of a message. After a read beyond the end, nothing is left and ok()
// is false.
class Fields {
 public:
  explicit Fields(buf::View bytes) : left_(bytes) {}
  buf::View bytes(size_t n) {
    if (n > left_.size()) {
      ok_ = false;
      n = left_.size();
    }
    const buf::View out = left_.first(n);
    left_ = left_.subspan(n);
    return out;
  }
  uint16_t u16() {
    const buf::View b = bytes(2);
    return b.size() == 2 ? load_be16(b.data()) : uint16_t{0};
  }
  // A vector behind its length of so many bytes.
  buf::View vector8() {
    const buf::View n = bytes(1);
    return bytes(n.empty() ? 0 : n[0]);
  }
  buf::View vector16() { return bytes(u16()); }
  bool ok() const { return ok_; }
  bool empty() const { return left_.empty(); }

 private:
  buf::View left_;
  bool ok_ = true;
};

std::string normal(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

}  // namespace

std::optional<std::string> server_name_of_hello(buf::View body) {
  constexpr size_t kVersionAndRandom = 2 + 32;
  constexpr size_t kLongestSessionId = 32;
  Fields hello(body);
  hello.bytes(kVersionAndRandom);
  const buf::View session_id = hello.vector8();
  const buf::View ciphers = hello.vector16();
  const buf::View compressions = hello.vector8();
  if (!hello.ok() || session_id.size() > kLongestSessionId || ciphers.size() < 2 ||
      ciphers.size() % 2 != 0 || compressions.empty())
    return std::nullopt;
  if (hello.empty()) return std::string();  // TLS 1.2 allows a hello without extensions
  Fields extensions(hello.vector16());
  if (!hello.ok() || !hello.empty()) return std::nullopt;
  std::optional<std::string> name;
  while (!extensions.empty()) {
    const uint16_t type = extensions.u16();
    const buf::View content = extensions.vector16();
    if (!extensions.ok()) return std::nullopt;
    if (type != kServerName) continue;
    const auto text = server_name_of(content);
    if (!text || name) return std::nullopt;  // RFC 8446, 4.2: one of each type
    name = normal(*text);
  }
  return name.value_or("");
}

HelloReader::State HelloReader::read(buf::View bytes) {
  while (state_ == State::kMore && !bytes.empty()) state_ = take(bytes);
  if (state_ != State::kMore) {
    message_.clear();
    message_.shrink_to_fit();
  }
  return state_;
}

// One step: part of a record's header, or part of its content.
HelloReader::State HelloReader::take(buf::View& bytes) {
  if (taken_ >= limit_) return State::kTooLong;
  const size_t allowed = std::min<size_t>(bytes.size(), limit_ - taken_);
  if (record_left_ == 0) {
    header_[header_size_++] = bytes[0];
    ++taken_;
    bytes = bytes.subspan(1);
    return end_of_record_header();
  }
  const size_t n = std::min<size_t>(allowed, record_left_);
  message_.insert(message_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n));
  taken_ += static_cast<uint32_t>(n);
  record_left_ -= static_cast<uint32_t>(n);
  bytes = bytes.subspan(n);
  return end_of_message();
}

// A header that cannot be one of TLS is refused at its first wrong byte.
HelloReader::State HelloReader::end_of_record_header() {
  if (header_[0] != kHandshakeRecord) return State::kNotTls;
  if (header_size_ >= 2 && header_[1] != kMajorVersion) return State::kNotTls;
  if (header_size_ < sizeof header_) return State::kMore;
  header_size_ = 0;
  record_left_ = load_be16(header_ + 3);
  // RFC 8446, 5.1: no empty fragments of handshake messages.
  if (record_left_ == 0 || record_left_ > kLongestRecord) return State::kBroken;
  return State::kMore;
}

HelloReader::State HelloReader::end_of_message() {
  if (message_[0] != kClientHello) return State::kBroken;
  if (message_.size() < kMessageHeader) return State::kMore;
  const size_t size = size_t{message_[1]} << 16 | load_be16(message_.data() + 2);
  if (size > limit_) return State::kTooLong;
  if (message_.size() < kMessageHeader + size) return State::kMore;
  auto name = server_name_of_hello(buf::View(message_).subspan(kMessageHeader, size));
  if (!name) return State::kBroken;
  server_name_ = std::move(*name);
  return State::kWhole;
}

}  // namespace sluice::tls
