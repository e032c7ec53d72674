#pragma once
// The version of HTTP that a client speaks where a port takes both: HTTP/2's preface (RFC
// 9113, 3.4) begins with the method PRI, which no HTTP/1.1 request has.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "buf/slice.h"

namespace sluice::relay {

class FirstBytes {
 public:
  enum class Version : uint8_t { kUnknown, kHttp1, kHttp2 };

  // bytes: the next ones of the connection. kUnknown: all bytes so far begin HTTP/2's preface, and
  // are too few. They are then in seen().
  Version look(buf::View bytes) {
    for (const uint8_t c : bytes) {
      if (c != static_cast<uint8_t>(kBegin[seen_])) return Version::kHttp1;
      if (seen_ + 1u == kBegin.size()) return Version::kHttp2;
      ++seen_;
    }
    return Version::kUnknown;
  }
  // The bytes of the calls of look() that answered kUnknown, if called before the last look().
  std::string_view seen() const { return kBegin.substr(0, seen_); }

 private:
  static constexpr std::string_view kBegin = "PRI ";
  uint8_t seen_ = 0;
};

}  // namespace sluice::relay
