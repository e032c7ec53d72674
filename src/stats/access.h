#pragma once
// The notes of calls for the access log: what a worker knows of a call at its end.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/address.h"
#include "base/chrono.h"
#include "stats/notes.h"
#include "stats/results.h"

namespace sluice::stats {

struct Access {
  // Texts of the client, in this order, as far as their bytes fit.
  enum class Text : uint8_t {
    kServerName,  // RFC 6066, 3
    kMethod,
    kAuthority,
    kPath,
    kRequestId,    // x-request-id
    kTraceParent,  // https://www.w3.org/TR/trace-context/
    kUserAgent,
    kCount
  };
  static constexpr size_t kTexts = static_cast<size_t>(Text::kCount);
  // The most bytes that are kept of each.
  static constexpr std::array<size_t, kTexts> kMost{64, 16, 128, 256, 64, 55, 128};
  static constexpr size_t kBytes = 64 + 16 + 128 + 256 + 64 + 55 + 128;
  static constexpr uint32_t kNoPod = UINT32_MAX;

  Time arrived{};  // of the worker's clock
  Duration duration{};
  Duration first_byte{-1};  // from the arrival; negative: no answer began
  Endpoint client;
  uint32_t listener = 0;  // slots
  uint32_t service = 0;
  uint32_t pod = kNoPod;        // of the last attempt
  uint16_t status = 0;          // HTTP's; 0: none
  uint16_t tries = 0;           // attempts at pods
  Result result = Result::kOk;  // is_grpc(): the call's status
  uint64_t request_bytes = 0;   // of the body, as far as pods got it
  uint64_t answer_bytes = 0;    // of the body
  const char* protocol = "";    // "1.1", "2.0"; these live as long as the process
  const char* tls = "";         // "TLSv1.3"; empty: cleartext
  const char* end = "";         // why the call ended other than by its answer
  std::array<uint16_t, kTexts> sizes{};
  std::array<char, kBytes> bytes;

  void set(Text which, std::string_view text) {
    const size_t n = std::min(text.size(), kMost[static_cast<size_t>(which)]);
    sizes[static_cast<size_t>(which)] = static_cast<uint16_t>(n);
    if (n > 0) std::memcpy(bytes.data() + begin(which), text.data(), n);
  }
  std::string_view text(Text which) const {
    return {bytes.data() + begin(which), sizes[static_cast<size_t>(which)]};
  }

 private:
  static constexpr size_t begin(Text which) {
    size_t at = 0;
    for (size_t i = 0; i < static_cast<size_t>(which); ++i) at += kMost[i];
    return at;
  }
};

// Control fetches the notes a hundred times a second: room for 50,000 calls a second.
using AccessNotes = Notes<Access, 512>;

}  // namespace sluice::stats
