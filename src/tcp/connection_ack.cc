// What an ACK tells about sent data: SACK, RTT, loss detection, recovery, the send window.

#include <algorithm>
#include <array>

#include "tcp/connection.h"

namespace sluice::tcp {

// The steps of several RFCs depend on each other's order, so one function has them all.
// NOLINTNEXTLINE(readability-function-size)
void Connection::process_ack(const Header& h, Seq seq, Seq ack, bool carries_data) {
  Delivery d;
  d.pipe_before = board_.pipe();
  Time newest{};
  bool needless_timeout = false;
  const Seq forward = board_.empty() ? 0 : board_.rack().forward_ack();
  const bool echo_valid = timestamps_ && h.options.timestamps && h.options.ts_echo != 0;
  bool wider = false;
  auto delivered = [&](const Scoreboard::Segment& s) {
    wider |= is_mtu_probe(s.end);
    // Karn's algorithm, or a timestamp that rules out the first transmission.
    bool ambiguous = false;
    if (s.retransmitted) {
      const Duration age = context_.now - s.sent;
      // While a timeout is in doubt, it is unknown which transmission arrived.
      ambiguous = timeout_doubtful_ || (age < rtt_.minimum() && rtt_.measured());
      if (echo_valid && before(h.options.ts_echo, timestamp(s.sent))) ambiguous = true;
    } else if (s.sent >= newest) {
      newest = s.sent;
      d.rtt = context_.now - s.sent;
    }
    board_.rack().delivered(s, context_.now, ambiguous, forward);
    // F-RTO (RFC 5682, 3): a segment arrived that the timeout called lost and that was not sent
    // again.
    if (timeout_doubtful_ && sack_ && !s.retransmitted && s.sent < episode().timed_out_at)
      needless_timeout = true;
  };

  if (sack_ && h.options.sack_count > 0) {
    const uint32_t before_sack = board_.sacked();
    uint32_t steps = Scoreboard::kFindSteps;
    const bool any_seen = before_sack > 0;
    std::array<SackBlock, 2>& seen = episode().seen_sacks;
    for (size_t i = 0; i < h.options.sack_count; ++i) {
      const Seq begin = widen(snd_una_, h.options.sacks[i].begin);
      const Seq end = widen(snd_una_, h.options.sacks[i].end);
      if (i == 0 && is_duplicate_report(h, begin, end, ack)) {
        d.duplicate = true;
        d.duplicate_begin = begin;
        d.duplicate_end = end;
        ++context_.counters.dsacks;
        continue;
      }
      if (begin >= end || end > snd_nxt_) {
        ++context_.counters.bad_sacks;
        continue;
      }
      if (end <= ack) continue;  // an old ACK, overtaken
      // Most blocks repeat those of the ACK before, in case the peer lost it.
      if (any_seen && std::find(seen.begin(), seen.end(), h.options.sacks[i]) != seen.end())
        continue;
      board_.sack(std::max(begin, snd_una_), end, steps, delivered);
    }
    if (steps == 0) ++context_.counters.sack_walks_cut;
    for (size_t i = 0; i < seen.size(); ++i)
      seen[i] = steps > 0 && i < h.options.sack_count ? h.options.sacks[i] : SackBlock{};
    d.bytes += board_.sacked() - before_sack;
  }

  const bool window_same = !update_window(h, seq, ack);
  if (ack > snd_una_) {
    d.advanced = true;
    d.bytes += board_.acknowledge(ack, delivered);
    if (closing_) closing_progressed(ack - snd_una_);
    snd_una_ = ack;
    send_queue_.trim_to(std::min(ack - iss_ - 1, send_queue_.end()));
    // Eifel (RFC 3522): the ACK answers a segment from before the retransmission.
    if (timeout_doubtful_ && echo_valid &&
        before(h.options.ts_echo, timestamp(episode().timed_out_at)))
      needless_timeout = true;
    head_timed_out_ = false;
    duplicate_acks_ = 0;
    rto_base_ = context_.now;
    unacknowledged_since_ = snd_una_ < snd_nxt_ ? context_.now : kNever;
  } else if (!sack_ && ack == snd_una_ && !carries_data && window_same && snd_nxt_ > snd_una_) {
    if (duplicate_acks_ < 255) ++duplicate_acks_;
    d.bytes += std::min<uint32_t>(mss_, board_.pipe());
  }
  d.pure_duplicate =
      ack == snd_una_ && !d.advanced && !carries_data && window_same && h.options.sack_count == 0;
  // A peer that answers with a shut window is alive (RFC 9293, 3.8.6.1).
  if (board_.empty()) {
    unacknowledged_since_ = kNever;
  } else if (snd_wnd_ == 0) {
    unacknowledged_since_ = context_.now;
  }

  // Karn's algorithm: an ACK that may be for either transmission gives no round trip. Until an ACK
  // gives one, the timeout stays backed off (RFC 6298, 3 and 5.7).
  if (d.rtt > Duration::zero()) {
    rtt_.sample(d.rtt, context_.now);
    backoff_ = 0;
  } else if (d.advanced && echo_valid) {
    const auto ms = static_cast<int32_t>(timestamp(context_.now) - h.options.ts_echo);
    if (ms > 0) rtt_.sample(Duration(1ms) * ms, context_.now);
    backoff_ = 0;
  }
  if (d.duplicate) duplicate_reported(d);

  if (wider) {
    episode().path_mtu.arrived();
    ++context_.counters.path_mtu_raised;
    route_changed();
  }
  if (needless_timeout) undo_timeout();
  if (d.advanced) timeout_doubtful_ = false;

  tail_probe_answered(ack, d);
  detect_loss(d);
  undo_if_spurious();
  if (recovery_ != Recovery::kOpen && snd_una_ >= episode().recovery_end) leave_recovery();
  if (recovery_ == Recovery::kFast) {
    episode().prr.on_ack(d.bytes, pipe(), congestion_.threshold(), mss_,
                         d.advanced && !d.found_lost);
  } else if (d.advanced || d.bytes > 0) {
    AckSample sample;
    sample.now = context_.now;
    sample.delivered = d.bytes;
    sample.window_used = window_used_;
    sample.rtt = d.rtt;
    sample.smoothed_rtt = rtt_.smoothed();
    sample.acknowledged = snd_una_;
    sample.sent = snd_nxt_;
    congestion_.on_ack(sample);
  }
  arm_loss_timer();
  if (snd_nxt_ < end_to_send() || board_.lost() > 0) touch();

  if (d.advanced) {
    if (closing_ && snd_una_ > fin_seq_) {
      fin_acknowledged();
      if (ended()) return;
    }
    if (silent_) [[unlikely]] {
      answered();
      if (ended()) return;
    }
  }
  if (low_space_ && send_space() >= worthwhile_space()) {
    low_space_ = false;
    if (!closing_) user_->on_writable(*this);
  }
}

uint32_t Connection::timestamp(Time t) const {
  return static_cast<uint32_t>(t.time_since_epoch() / 1ms) + ts_offset_;
}

// RFC 2883, 4: a D-SACK is below the cumulative ACK, or inside the second block.
bool Connection::is_duplicate_report(const Header& h, Seq begin, Seq end, Seq ack) const {
  if (begin >= end) return false;
  if (end <= ack) return end + max_snd_wnd_ >= snd_una_;
  if (h.options.sack_count < 2) return false;
  const Seq begin2 = widen(snd_una_, h.options.sacks[1].begin);
  const Seq end2 = widen(snd_una_, h.options.sacks[1].end);
  return begin >= begin2 && end <= end2;
}

// RFC 9293, 3.10.7.4. True when the window or its right edge changed.
bool Connection::update_window(const Header& h, Seq seq, Seq ack) {
  if (ack < snd_una_) return false;
  if (seq < snd_wl1_ || (seq == snd_wl1_ && ack < snd_wl2_)) return false;
  const uint32_t window = uint32_t{h.window} << snd_scale_;
  const bool changed = window != snd_wnd_;
  // Sequence and ACK numbers do not tell which of two such segments is older. A timestamp may. If
  // the window seems to have shut, and nothing is in flight whose ACK would tell, a probe asks
  // again.
  if (window < snd_wnd_ && seq == snd_wl1_ && ack == snd_wl2_) {
    if (timestamps_ && h.options.timestamps && before(h.options.ts_value, ts_recent_))
      return changed;
    if (window == 0 && board_.empty()) {
      ++context_.counters.window_probes;
      probe_due_ = true;
    }
  }
  snd_wnd_ = window;
  max_snd_wnd_ = std::max(max_snd_wnd_, window);
  snd_wl1_ = seq;
  snd_wl2_ = ack;
  if (changed) {
    if (board_.empty() && snd_nxt_ < end_to_send()) backoff_ = 0;  // the backoff of window probes
    touch();
  }
  return changed;
}

uint32_t Connection::pipe() const {
  // Each duplicate ACK means that a segment has left the network.
  const uint32_t left = duplicate_acks_ * uint32_t{mss_};
  return board_.pipe() > left ? board_.pipe() - left : 0;
}

// RFC 8985, 6.2, step 5, and RFC 6582 for peers without SACK.
void Connection::detect_loss(Delivery& d) {
  reorder_deadline_ = kNever;
  if (board_.empty()) return;
  if (!sack_) {
    const bool partial =
        recovery_ == Recovery::kFast && d.advanced && snd_una_ < episode().recovery_end;
    Scoreboard::Segment* first = board_.first();
    if ((duplicate_acks_ == 3 && recovery_ == Recovery::kOpen) || partial) {
      if (first->state == Scoreboard::State::kInFlight) {
        board_.mark_lost(*first);
        d.found_lost = true;
      }
    }
  } else if (const Rack& rack = board_.rack(); rack.newest() != Time{}) {
    const bool three_sacked = board_.sacked() >= 3u * mss_;
    const Duration window =
        rack.window(recovery_ != Recovery::kOpen, three_sacked,
                    rtt_.measured() ? rtt_.minimum() : Duration::zero(), rtt_.smoothed());
    // Segments of the same moment as the newest are not all in the order of their numbers.
    constexpr unsigned kSameMoment = 64;
    unsigned not_overtaken = 0;
    board_.walk_in_flight([&](Scoreboard::Segment& s) {
      if (s.sent > rack.newest()) return false;
      if (!rack.overtook(s)) return ++not_overtaken < kSameMoment;
      const Time due = s.sent + rack.rtt() + window;
      if (due <= context_.now) {
        // A path MTU probe that is lost alone is no sign of congestion (RFC 4821, 7.5).
        if (is_mtu_probe(s.end)) {
          episode().path_mtu.failed();
          touch();
        } else {
          d.found_lost = true;
        }
        board_.mark_lost(s);
        return true;
      }
      reorder_deadline_ = std::min(reorder_deadline_, due);
      return false;  // later segments are due later
    });
  }
  if (d.found_lost) {
    if (recovery_ == Recovery::kOpen) enter_recovery();
    touch();
  }
}

void Connection::enter_recovery() {
  ++context_.counters.fast_recoveries;
  recovery_ = Recovery::kFast;
  episode().recovery_end = snd_nxt_;
  begin_episode();
  episode().prr.start(static_cast<uint32_t>(snd_nxt_ - snd_una_));
  congestion_.on_congestion(context_.now, board_.pipe());
  episode().prr.on_ack(0, pipe(), congestion_.threshold(), mss_, false);
}

void Connection::begin_episode() {
  episode().undo_resent = 0;
  resent_any_ = false;
  may_undo_ = true;
  tail_probe_end_ = 0;
}

void Connection::leave_recovery() {
  recovery_ = Recovery::kOpen;
  duplicate_acks_ = 0;
  board_.rack().recovery_ended();
}

// The recovery was spurious: every retransmission of the episode was reported as a duplicate (the
// idea of RFC 3708, with D-SACK), or all that the episode called lost arrived before any of it was
// sent again, as when the ACKs of overtaken segments come in one turn.
void Connection::undo_if_spurious() {
  if (!may_undo_ || episode().undo_resent > 0) return;
  if (!resent_any_) {
    if (recovery_ != Recovery::kFast || board_.lost() > 0) return;
    board_.rack().duplicate_reported(snd_una_, snd_nxt_);  // the reordering window was too small
  }
  may_undo_ = false;
  resent_any_ = false;
  ++context_.counters.spurious_recoveries;
  congestion_.undo();
  note_window_use();
  if (recovery_ != Recovery::kOpen) leave_recovery();
}

void Connection::undo_timeout() {
  ++context_.counters.spurious_rto;
  timeout_doubtful_ = false;
  may_undo_ = false;
  congestion_.undo();
  board_.restore_lost();
  note_window_use();
  recovery_ = Recovery::kOpen;
  force_resend_ = false;
}

// RFC 3168, 6.1.2: an ECN echo acts like a loss, once a round trip, and nothing is retransmitted.
void Connection::echoed_congestion() {
  if (recovery_ != Recovery::kOpen || snd_una_ < episode().ecn_end) return;
  ++context_.counters.ecn_reductions;
  episode().ecn_end = snd_nxt_;
  ecn_reduced_ = true;
  may_undo_ = false;
  congestion_.on_congestion(context_.now, board_.pipe());
}

void Connection::duplicate_reported(const Delivery& d) {
  // Sent by a timer: no sign of reordering, and not of the episode.
  if (is_of_tail_probe(d)) return;
  board_.rack().duplicate_reported(snd_una_, snd_nxt_);
  // The network duplicates segments too, and such a duplicate undoes nothing.
  Episode& e = episode();
  if (e.undo_resent > 0 && d.duplicate_begin >= e.resent_begin && d.duplicate_end <= e.resent_end) {
    --e.undo_resent;
    board_.rack().was_overtaken();
  }
}

bool Connection::is_of_tail_probe(const Delivery& d) const {
  if (!d.duplicate || tail_probe_end_ == 0 || !tail_probe_resent_) return false;
  // Not every count includes a FIN.
  return d.duplicate_end == tail_probe_end_ || d.duplicate_end + 1 == tail_probe_end_;
}

// RFC 8985, 7.4.2. The ACK that reaches the probe's end may be for the original, which was only
// late. The next ACKs tell whether the probe filled a hole, and so hid a loss from everything else.
void Connection::tail_probe_answered(Seq ack, const Delivery& d) {
  if (tail_probe_end_ == 0 || ack < tail_probe_end_) return;
  if (!tail_probe_resent_) {
    tail_probe_end_ = 0;
  } else if (is_of_tail_probe(d) || (ack == tail_probe_end_ && d.pure_duplicate)) {
    tail_probe_needless();
  } else if (ack > tail_probe_end_) {
    tail_probe_repaired();
  }
}

// Nothing was lost: the next probe of this connection waits longer.
void Connection::tail_probe_needless() {
  tail_probe_end_ = 0;
  ++context_.counters.needless_tail_probes;
  probe_delay_.needless(usual_probe_timeout());
}

void Connection::tail_probe_repaired() {
  const Seq end = tail_probe_end_;
  tail_probe_end_ = 0;
  probe_delay_.repaired();
  if (recovery_ != Recovery::kOpen) return;
  // A D-SACK that was overtaken may still report that nothing was lost.
  begin_episode();
  episode().undo_resent = 1;
  resent_any_ = true;
  episode().resent_begin = end - mss_ - 1;
  episode().resent_end = end;
  congestion_.on_congestion(context_.now, board_.pipe());
}

void Connection::fin_acknowledged() {
  switch (state_) {
    case State::kFinWait1:
      change_state(State::kFinWait2);
      arm_life_timer();
      break;
    case State::kClosing:
      enter_time_wait();
      break;
    case State::kLastAck:
      end(CloseReason::kFinished);
      break;
    default:
      break;
  }
}

}  // namespace sluice::tcp
