#include "discovery/dns/answer.h"

#include <algorithm>
#include <utility>

#include "base/byte_order.h"

namespace sluice::discovery::dns {
namespace {

constexpr size_t kHeader = 12;
constexpr uint16_t kInternet = 1;
constexpr unsigned kLongestChain = 16;  // of aliases

struct Malformed {};

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> message) : message_(message) {}

  size_t at() const { return at_; }
  void seek(size_t at) {
    if (at > message_.size()) throw Malformed{};
    at_ = at;
  }
  const uint8_t* take(size_t size) {
    if (message_.size() - at_ < size) throw Malformed{};
    at_ += size;
    return message_.data() + at_ - size;
  }
  uint16_t u16() { return load_be16(take(2)); }
  uint32_t u32() { return load_be32(take(4)); }

  // A name, with compression (RFC 1035, 4.1.4): each pointer leads to an earlier place, so that the
  // walk ends.
  std::string name() {
    std::string out;
    size_t earliest = at_;
    std::optional<size_t> after;
    for (;;) {
      const uint8_t size = *take(1);
      if (size == 0) break;
      if (size >= 0xc0) {
        const size_t target = static_cast<size_t>(size & 0x3f) << 8 | *take(1);
        if (!after) after = at_;
        if (target >= earliest) throw Malformed{};
        earliest = target;
        seek(target);
        continue;
      }
      if (size > 63) throw Malformed{};
      if (!out.empty()) out += '.';
      const uint8_t* label = take(size);
      out.append(reinterpret_cast<const char*>(label), size);
      if (out.size() > 255) throw Malformed{};
    }
    if (after) seek(*after);
    return canonical(out);
  }

 private:
  std::span<const uint8_t> message_;
  size_t at_ = 0;
};

struct Named {
  std::string name;
  Record record;
  std::string alias;  // of CNAME
};

Named read_record(Reader& in) {
  Named out;
  out.name = in.name();
  out.record.type = static_cast<Type>(in.u16());
  const uint16_t internet = in.u16();
  out.record.ttl = in.u32();
  if (out.record.ttl > INT32_MAX) out.record.ttl = 0;  // RFC 2181, 8
  const uint16_t size = in.u16();
  const size_t begin = in.at();
  if (internet == kInternet) {
    switch (out.record.type) {
      case Type::kA:
        if (size != 4) throw Malformed{};
        out.record.address = Address::v4(in.take(4));
        break;
      case Type::kAaaa: {
        if (size != 16) throw Malformed{};
        std::copy_n(in.take(16), 16, out.record.address.bytes.begin());
        break;
      }
      case Type::kCname:
        out.alias = in.name();
        break;
      case Type::kSrv:
        out.record.priority = in.u16();
        out.record.weight = in.u16();
        out.record.port = in.u16();
        out.record.target = in.name();
        break;
    }
  }
  if (in.at() > begin + size) throw Malformed{};
  in.seek(begin + size);
  if (internet != kInternet) out.record.type = {};
  return out;
}

}  // namespace

std::string canonical(std::string_view name) {
  std::string out(name);
  if (out.ends_with('.')) out.pop_back();
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::optional<std::vector<Record>> read_answer(std::span<const uint8_t> message,
                                               std::string_view name, Type type) {
  try {
    Reader in(message);
    in.take(4);  // id, flags
    const uint16_t questions = in.u16();
    const uint16_t answers = in.u16();
    in.seek(kHeader);
    for (unsigned i = 0; i < questions; ++i) {
      in.name();
      in.take(4);
    }
    std::vector<Named> all;
    for (unsigned i = 0; i < answers; ++i) all.push_back(read_record(in));
    // Follows the aliases, each of which bounds the TTL of what it leads to.
    std::string wanted = canonical(name);
    uint32_t ttl = UINT32_MAX;
    std::vector<Record> out;
    for (unsigned step = 0; step < kLongestChain; ++step) {
      for (Named& n : all) {
        if (n.name != wanted || n.record.type != type) continue;
        n.record.ttl = std::min(n.record.ttl, ttl);
        out.push_back(n.record);
      }
      const auto alias = std::find_if(all.begin(), all.end(), [&](const Named& n) {
        return n.name == wanted && n.record.type == Type::kCname;
      });
      if (!out.empty() || alias == all.end()) break;
      ttl = std::min(ttl, alias->record.ttl);
      wanted = alias->alias;
    }
    return out;
  } catch (const Malformed&) {
    return std::nullopt;
  }
}

}  // namespace sluice::discovery::dns
