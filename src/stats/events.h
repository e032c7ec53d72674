#pragma once
// Events for the log that peers caused.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/address.h"
#include "stats/notes.h"

namespace sluice::stats {

// A connection ended, or Sluice refused or noticed something on it, because of its peer.
struct Event {
  enum class Kind : uint8_t {
    kEnded,    // the connection ended; or, where a guard is named, the object of that guard
    kGoesOn,   // the connection lives
    kRoutine,  // the connection lives, and nobody did anything wrong
  };
  static constexpr size_t kDetail = 120;  // bytes: a line of a log stays one

  const char* guard = nullptr;  // as `sluicectl guards` calls it; nullptr: none acted
  const char* what = "";        // both strings live as long as the process
  Endpoint peer;
  bool pod = false;  // the peer is a pod, not a client
  Kind kind = Kind::kEnded;
  uint8_t detail_size = 0;
  std::array<char, kDetail> detail{};  // follows `what`; set by add()

  // Text from a peer: bytes that are not printable ASCII become '?', and text that is too long is
  // cut.
  void add(std::string_view text) {
    for (const char c : text) {
      if (detail_size == kDetail) return;
      detail[detail_size++] = c >= ' ' && c <= '~' ? c : '?';
    }
  }
  std::string_view details() const { return {detail.data(), detail_size}; }
};

// As Notes. Routine notes have a room of their own, so that they take none from the others.
class Events {
 public:
  void push(const Event& e) { (e.kind == Event::Kind::kRoutine ? routine_ : judged_).push(e); }
  // The routine ones last.
  std::optional<Event> pop() {
    if (auto e = judged_.pop()) return e;
    return routine_.pop();
  }
  // Those that found no room, routine ones not counted.
  uint64_t lost() const { return judged_.lost(); }

 private:
  Notes<Event, 64> judged_, routine_;
};

}  // namespace sluice::stats
