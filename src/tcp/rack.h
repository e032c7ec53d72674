#pragma once
// RACK: a segment is lost when a segment that was sent later has been delivered, and the time for
// reordering is over (RFC 8985, 6).

#include <algorithm>
#include <cstdint>

#include "base/chrono.h"
#include "tcp/sequence.h"

namespace sluice::tcp {

// A Segment is one of Scoreboard (tcp/scoreboard.h).
class Rack {
 public:
  // A segment was delivered. ambiguous: it was sent more than once, and the ACK may be for the
  // first transmission. forward: forward_ack() from before this ACK, since the SACK blocks of an
  // ACK are read before its cumulative part.
  template <class Segment>
  void delivered(const Segment& s, Time now, bool ambiguous, Seq forward) {
    if (s.end < forward && !s.retransmitted) reordering_ = true;
    highest_ = std::max(highest_, s.end);
    if (ambiguous) return;
    if (s.sent > sent_ || (s.sent == sent_ && s.end > end_)) {
      sent_ = s.sent;
      end_ = s.end;
      rtt_ = now - s.sent;
    }
  }

  // A segment that counted as lost was not lost.
  void was_overtaken() { reordering_ = true; }

  // The peer reported a duplicate: the reordering window was too small (RFC 8985, 6.2, step 4).
  // Counts once a round trip.
  void duplicate_reported(Seq snd_una, Seq snd_nxt) {
    if (snd_una < round_end_) return;
    round_end_ = snd_nxt;
    multiplier_ = std::min<unsigned>(multiplier_ + 1, kMaxMultiplier);
    persist_ = kPersist;
  }
  // A recovery ended: after kPersist of them without duplicates the reordering window is small
  // again.
  void recovery_ended() {
    if (persist_ > 0 && --persist_ == 0) multiplier_ = 1;
  }

  // The reordering window: how long a segment may be overtaken before it counts as lost.
  Duration window(bool recovering, bool three_sacked, Duration min_rtt, Duration smoothed) const {
    if (!reordering_ && (recovering || three_sacked)) return Duration::zero();
    return std::min(min_rtt / 4 * multiplier_, smoothed);
  }

  // The newest transmission known to have arrived was sent after s.
  template <class Segment>
  bool overtook(const Segment& s) const {
    return sent_ > s.sent || (sent_ == s.sent && end_ > s.end);
  }
  // End of the highest segment known to have arrived.
  Seq forward_ack() const { return highest_; }
  Time newest() const { return sent_; }
  Duration rtt() const { return rtt_; }
  bool reordering_seen() const { return reordering_; }
  // Something that later segments need: the path reorders.
  bool learned() const { return reordering_ || multiplier_ > 1; }

 private:
  static constexpr unsigned kMaxMultiplier =
      16;                                   // quarters of min RTT; smoothed RTT caps it anyway
  static constexpr unsigned kPersist = 16;  // recoveries, RFC 8985, 6.2

  Time sent_{};
  Seq end_ = 0;
  Seq highest_ = 0;
  Seq round_end_ = 0;
  Duration rtt_{};
  uint8_t multiplier_ = 1;
  uint8_t persist_ = 0;
  bool reordering_ = false;
};

}  // namespace sluice::tcp
