// The actions when nothing arrives. One loss timer serves retransmission, tail loss probes, RACK's
// reordering window and window probes: at most one of them is ever the next action.

#include <algorithm>

#include "tcp/connection.h"

namespace sluice::tcp {

namespace {
// RFC 8985, 7.2: a peer may delay the ACK of a single segment.
constexpr Duration kMaxAckDelay = 200ms;
constexpr uint8_t kMaxBackoff = 16;  // doublings; max_rto caps the time long before
}  // namespace

Duration Connection::rto() const {
  const Config& c = context_.config;
  const Duration base = rtt_.rto(c.initial_rto, c.min_rto, c.max_rto);
  return std::min(base * (int64_t{1} << backoff_), c.max_rto);
}

// RFC 8985, 7.2. One probe at a time. An earlier probe whose end was acknowledged without a D-SACK
// does not delay the next.
bool Connection::may_probe_tail() const {
  return sack_ && recovery_ == Recovery::kOpen && board_.sacked() == 0 && backoff_ == 0 &&
         (tail_probe_end_ == 0 || snd_una_ >= tail_probe_end_) && rtt_.measured();
}

Duration Connection::usual_probe_timeout() const {
  return 2 * rtt_.smoothed() + 2 * TimerWheel::kTick;
}

Duration Connection::probe_timeout() const {
  Duration pto = usual_probe_timeout();
  if (board_.pipe() <= mss_) pto += kMaxAckDelay;
  return std::max(pto, probe_delay_.least());
}

bool Connection::user_timeout_over() const {
  return unacknowledged_since_ != kNever && context_.now - unacknowledged_since_ >= user_timeout_;
}

void Connection::arm_loss_timer() {
  if (ended()) return;
  const bool opening = state_ == State::kSynSent || state_ == State::kSynReceived;
  Time deadline = kNever;
  loss_timer_is_ = LossTimer::kRetransmit;
  if (opening) {
    if (snd_nxt_ > iss_) deadline = rto_base_ + rto();
  } else if (!board_.empty()) {
    deadline = rto_base_ + rto();
    // When the timeout is due a probe leaves first: it costs no window.
    if (may_probe_tail()) {
      deadline = std::min(deadline, std::max(last_sent_, rto_base_) + probe_timeout());
      loss_timer_is_ = LossTimer::kTailProbe;
    }
    if (reorder_deadline_ < deadline) {
      deadline = reorder_deadline_;
      loss_timer_is_ = LossTimer::kReorder;
    }
    if (unacknowledged_since_ != kNever)
      deadline = std::min(deadline, unacknowledged_since_ + user_timeout_);
  } else if (snd_nxt_ < end_to_send() && (!ListHook<Waiting>::linked() || window_withheld_)) {
    // Not for data that only waits for the flush of this turn, which comes after the turn's timers.
    deadline = rto_base_ + rto();
    loss_timer_is_ = LossTimer::kWindowProbe;
  }
  if (paced_ && pace_at_ < deadline) {
    deadline = pace_at_;
    loss_timer_is_ = LossTimer::kPacing;
  }
  if (deadline == kNever) {
    loss_timer_is_ = LossTimer::kRest;
    if (opening) loss_timer_.disarm();
  } else if (loss_timer_.deadline() != deadline) {
    context_.wheel.arm(loss_timer_, deadline);
  }
}

void Connection::on_loss_timer() {
  if (user_timeout_over()) {
    end(CloseReason::kTimeout);
    return;
  }
  if (state_ == State::kSynSent || state_ == State::kSynReceived) {
    backoff_ = std::min<uint8_t>(backoff_ + 1, kMaxBackoff);
    syn_due_ = true;
    resent_syn_ = true;
    ++context_.counters.retransmits;
    touch();
    unanswered();
    return;
  }
  switch (loss_timer_is_) {
    case LossTimer::kRetransmit:
      on_retransmission_timeout();
      break;
    case LossTimer::kTailProbe:
      tail_probe_due_ = true;
      touch();
      if (context_.now >= rto_base_ + rto()) unanswered();  // the probe replaces the timeout
      break;
    case LossTimer::kReorder:
      on_reorder_deadline();
      break;
    case LossTimer::kWindowProbe:
      on_window_probe();
      break;
    case LossTimer::kPacing:
      touch();
      break;
    case LossTimer::kRest:
      on_rest();
      break;
  }
}

void Connection::on_rest() {
  constexpr Duration kRestAfter = 1s;  // longer than the pauses of a connection that is in use
  const Time due = std::max(last_sent_, last_heard_) + kRestAfter;
  if (context_.now < due) {
    context_.wheel.arm(loss_timer_, due);
  } else {
    rest();
  }
}

// Gives back the memory that only a connection in use needs. Nothing is in flight or queued, so no
// episode goes on.
void Connection::rest() {
  if (!board_.empty() || !send_queue_.empty()) return;
  send_queue_.shrink();
  board_.shrink();
  congestion_.rest();
  may_undo_ = resent_any_ = false;
  const bool needed =
      recovery_ != Recovery::kOpen || timeout_doubtful_ || path_learned_ || duplicate_ || ended();
  if (episode_ == nullptr || needed) return;
  context_.episodes.destroy(episode_);
  episode_ = nullptr;
}

// RFC 6298, 5.4 to 5.7, marking losses as in RFC 8985, 6.3.
void Connection::on_retransmission_timeout() {
  if (board_.empty()) return;
  if (context_.now < rto_base_ + rto()) {
    arm_loss_timer();
    return;
  }
  ++context_.counters.rto;
  if (board_.first()->state == Scoreboard::State::kSacked) {
    ++context_.counters.sack_reneged;
    board_.forget_sacks();
  }
  // RFC 5681, 3.1: the same segment timing out again does not lower ssthresh again.
  if (!head_timed_out_) {
    congestion_.on_timeout(context_.now, board_.pipe());
    timeout_doubtful_ = recovery_ == Recovery::kOpen;
    episode().timed_out_at = context_.now;
  } else {
    timeout_doubtful_ = false;
  }
  recovery_ = Recovery::kTimeout;
  episode().recovery_end = snd_nxt_;
  duplicate_acks_ = 0;
  begin_episode();
  suspect_black_hole();
  head_timed_out_ = true;
  // The oldest segment goes first: nothing moves before it has arrived.
  if (board_.first()->state == Scoreboard::State::kInFlight) {
    board_.mark_lost(*board_.first(), true);
  } else {
    board_.hurry(*board_.first());
  }
  const Duration old = sack_ ? rtt_.smoothed() : Duration::zero();
  board_.walk_in_flight([&](Scoreboard::Segment& s) {
    if (context_.now - s.sent < old) return false;
    board_.mark_lost(s);
    return true;
  });
  force_resend_ = true;
  reorder_deadline_ = kNever;
  backoff_ = std::min<uint8_t>(backoff_ + 1, kMaxBackoff);
  rto_base_ = context_.now;
  arm_loss_timer();
  touch();
  unanswered();
}

// The peer may be gone: IP asks for the next hop again, and the owner may have another peer.
void Connection::unanswered() {
  context_.output.doubt(remote().address, context_.now);
  if (silent_) return;
  silent_ = true;
  if (user_ != nullptr) user_->on_silence(*this, true);
}

void Connection::answered() {
  silent_ = false;
  if (user_ != nullptr) user_->on_silence(*this, false);
}

// The second timeout of a long segment. A path that silently drops such segments looks like this.
// So does a path that is down, for which a shorter segment is no worse (RFC 4821, 7.7).
void Connection::suspect_black_hole() {
  PathMtu& path = episode().path_mtu;
  path.forget_probe();
  const uint16_t base = context_.config.base_path_segment;
  const Scoreboard::Segment& s = *board_.first();
  const uint64_t packet = s.end - s.begin + kMinHeader + (timestamps_ ? kTimestampsSpace : 0);
  // The segment may be older than the last news of the path, which is already that narrow.
  const auto size = static_cast<uint16_t>(std::min(widest(), path.limit()));
  if (!head_timed_out_ || packet <= base || size <= base) return;
  ++context_.counters.path_mtu_black_holes;
  const uint16_t before = mss_;
  path.black_hole(size, base, context_.now);
  path_lowered(before);
}

void Connection::on_reorder_deadline() {
  Delivery d;
  detect_loss(d);
  if (recovery_ == Recovery::kFast && d.found_lost)
    episode().prr.on_ack(0, pipe(), congestion_.threshold(), mss_, false);
  arm_loss_timer();
}

void Connection::on_window_probe() {
  if (unacknowledged_since_ == kNever) {
    unacknowledged_since_ = context_.now;
  } else {
    context_.output.doubt(remote().address, context_.now);  // the previous probe was not answered
  }
  rto_base_ = context_.now;
  backoff_ = std::min<uint8_t>(backoff_ + 1, kMaxBackoff);
  if (snd_una_ + snd_wnd_ > snd_nxt_) {
    ++context_.counters.tiny_windows;
    force_small_ = true;  // RFC 9293, 3.8.6.2.1: the override timeout
  } else {
    ++context_.counters.window_probes;
    probe_due_ = true;
  }
  arm_loss_timer();
  touch();
}

void Connection::on_ack_timer() {
  if (ack_later_) ack_now();
}

void Connection::arm_life_timer() {
  const Config& c = context_.config;
  Time deadline = kNever;
  // NOLINTNEXTLINE(bugprone-branch-clone): states in the order of a connection's life
  if (state_ == State::kSynSent || state_ == State::kSynReceived) {
    deadline = deadline_;
  } else if (state_ == State::kFinWait2 && !patient_) {
    deadline = last_heard_ + c.fin_wait_2;
  } else if (waits_for_fin() && !patient_) {
    deadline = deadline_;
  } else if (c.keepalive_idle > Duration::zero()) {
    deadline = last_heard_ + c.keepalive_idle + keepalives_ * c.keepalive_interval;
  }
  if (deadline == kNever) {
    life_timer_.disarm();
  } else {
    context_.wheel.arm(life_timer_, deadline);
  }
}

// The user timeout is for peers that do not answer. A peer that answers probes and keeps its window
// shut would keep queued data for ever; a peer that takes a byte now and then, nearly so.
void Connection::begin_closing() {
  const Duration limit = context_.config.closing_timeout;
  deadline_ = limit > Duration::zero() && !patient_ ? context_.now + limit : kNever;
}

// A reload may have lowered the timeout: time that the connection has already stays.
void Connection::closing_progressed(uint64_t bytes) {
  if (deadline_ == kNever) return;
  const Config& c = context_.config;
  if (c.closing_timeout <= Duration::zero()) {
    deadline_ = kNever;
    return;
  }
  const Duration earned = 1s * static_cast<int64_t>(bytes) / c.closing_rate;
  deadline_ = std::max(deadline_, std::min(deadline_ + earned, context_.now + c.closing_timeout));
}

// Armed for the earliest moment that could matter. From there the timer is moved on, not with every
// segment.
void Connection::on_life_timer() {
  const Config& c = context_.config;
  const Duration silence = context_.now - last_heard_;
  if (state_ == State::kSynSent || state_ == State::kSynReceived) {
    end(CloseReason::kTimeout);
    return;
  }
  if (state_ == State::kFinWait2 && !patient_) {
    if (silence >= c.fin_wait_2) {
      end(CloseReason::kTimeout);
      return;
    }
  } else if (waits_for_fin() && !patient_) {
    if (context_.now >= deadline_) {
      ++context_.counters.closing_expired;
      send_reset();
      end(CloseReason::kNotTaken);
      return;
    }
  } else if (silence >= c.keepalive_idle + keepalives_ * c.keepalive_interval) {
    if (keepalives_ >= c.keepalive_probes) {
      end(CloseReason::kTimeout);
      return;
    }
    // With data in flight retransmissions serve the same purpose.
    if (board_.empty()) {
      if (keepalives_ > 0) context_.output.doubt(remote().address, context_.now);
      ++keepalives_;
      ++context_.counters.keepalive_probes;
      probe_due_ = true;
      touch();
    } else {
      last_heard_ = context_.now;
    }
  }
  arm_life_timer();
}

}  // namespace sluice::tcp
