#pragma once
// The fate of the latest streams, by their ids (RFC 9113, 5.1). A stream that is over is in no
// table any more. A frame for it may be an error, or a frame that its sender could not know to be
// late.

#include <cstdint>

namespace sluice::http2 {

// The ids of one side: odd numbers, used in rising order.
class RecentIds {
 public:
  // Bits, one for each id. Of older ids nothing is known; their frames are discarded, as 5.1
  // allows.
  static constexpr uint32_t kSpan = 64;

  enum class Fate : uint8_t {
    kForgotten,
    kSkipped,  // a higher id was used first: can never be used (5.1.1)
    kEnded,    // by the peer's END_STREAM or RST_STREAM; or not over yet
    kReset,  // by us, so that the peer's frames may have crossed the RST_STREAM, to its END_STREAM
    kResetAndEnded,  // the peer's END_STREAM came behind our reset: no late frame remains
  };

  uint32_t latest() const { return latest_; }

  // id is higher than all ids before.
  void use(uint32_t id) {
    const uint32_t by = (id - latest_) / 2;
    used_ = by < kSpan ? used_ << by : 0;
    reset_ = by < kSpan ? reset_ << by : 0;
    used_ |= 1;
    latest_ = id;
  }
  void reset(uint32_t id) {
    if (const uint32_t age = age_of(id); age < kSpan) reset_ |= uint64_t{1} << age;
  }
  // The peer's END_STREAM came behind our reset.
  void ended(uint32_t id) {
    if (const uint32_t age = age_of(id); age < kSpan) used_ &= ~(uint64_t{1} << age);
  }
  // id is not above the latest id.
  Fate fate(uint32_t id) const {
    const uint32_t age = age_of(id);
    if (age >= kSpan) return Fate::kForgotten;
    const bool used = (used_ >> age & 1) != 0;
    if ((reset_ >> age & 1) != 0) return used ? Fate::kReset : Fate::kResetAndEnded;
    return used ? Fate::kEnded : Fate::kSkipped;
  }

 private:
  uint32_t age_of(uint32_t id) const { return (latest_ - id) / 2; }

  uint32_t latest_ = 0;
  uint64_t used_ = 0;   // bit n: the id 2 n below the latest
  uint64_t reset_ = 0;  // the same; of an id that is not used: kResetAndEnded
};

}  // namespace sluice::http2
