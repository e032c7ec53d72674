#pragma once
// What peers did that belongs into the log.

#include <array>
#include <cstdint>
#include <string_view>

#include "base/address.h"
#include "stats/notes.h"

namespace sluice::stats {

// A connection ended, or something on it was refused or said, for what its peer did.
struct Event {
  enum class Kind : uint8_t {
    kEnded,    // the connection; or, where a guard is named, what that acts on
    kGoesOn,   // it lives
    kRoutine,  // it lives, and nobody did anything wrong
  };
  static constexpr size_t kDetail = 120;  // bytes: a line of a log stays one

  const char* guard = nullptr;  // as `sluicectl guards` calls it; nullptr: none acted
  const char* what = "";        // both strings live for ever
  Endpoint peer;
  bool pod = false;  // the peer is a pod, not a client
  Kind kind = Kind::kEnded;
  uint8_t detail_size = 0;
  std::array<char, kDetail> detail{};  // behind `what`; from add()

  // Whatever a peer wrote: what is not printable ASCII becomes '?', and what is too long is cut.
  void add(std::string_view text) {
    for (const char c : text) {
      if (detail_size == kDetail) return;
      detail[detail_size++] = c >= ' ' && c <= '~' ? c : '?';
    }
  }
  std::string_view details() const { return {detail.data(), detail_size}; }
};

using Events = Notes<Event, 64>;

}  // namespace sluice::stats
