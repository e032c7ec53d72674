#pragma once
// The actions of guards on one stream of a connection, for the log: each kind is reported once for
// a connection, however often it acts.

#include <cstdint>

namespace sluice::http2 {

enum class Note : uint8_t {
  kHeaderList,
  kEmptyName,
  kStreams,
  kEarlyEnds,
  kStalledStream,
  kDribble,
  kBroken,
  kEmptyData,
  kTinyData,
  kPadding,
  kContinuation,
  kFieldBlock
};

class GuardNotes {
 public:
  struct Line {
    const char* guard;  // as `sluicectl guards` names it
    const char* what;
  };

  // nullptr: it was reported before.
  const Line* first(Note n) {
    const auto bit = static_cast<uint16_t>(1u << static_cast<unsigned>(n));
    if ((reported_ & bit) != 0) return nullptr;
    reported_ |= bit;
    return &kLines[static_cast<unsigned>(n)];
  }

 private:
  // In the order of Note.
  static constexpr Line kLines[] = {
      {"header_list", "more or larger fields than header_list_size and header_fields allow"},
      {"empty_name", "a field without a name"},
      {"streams", "more streams than concurrent_streams"},
      {"early_ends", "streams that nearly all end early: fewer at once"},
      {"stalled_stream", "a stream's window stayed shut"},
      {"dribble", "a stream's window opens by a few bytes"},
      {"broken_answer", ""},
      {"empty_data", "a stream of too many empty DATA frames"},
      {"tiny_data", "a stream of too many DATA frames of a few bytes"},
      {"padding", "a stream of too much padding"},
      {"continuation", "too many CONTINUATION frames in one field block"},
      {"field_block", "field block larger than field_block_size"},
  };

  uint16_t reported_ = 0;  // a bit for each Note
};

}  // namespace sluice::http2
