// Segments that arrive (RFC 9293, 3.10.7).

#include <algorithm>

#include "tcp/connection.h"

namespace sluice::tcp {

namespace {
// RFC 7323, 5.5: after 24 days without news the peer's clock may have wrapped.
constexpr Duration kTimestampAge = 24h * 24;
// The shortest time between two answers of a connection to pure ACKs outside of the window:
// keepalives, window probes, and the ACK storms of two stacks that disagree.
constexpr Duration kOutOfWindowInterval = 50ms;
}  // namespace

void Connection::input(const Header& h, Received& r) {
  if (ended()) return;
  if (state_ == State::kSynSent) {
    input_syn_sent(h, r);
    return;
  }
  const uint32_t size = r.segment.size();
  Seq seq = widen(rcv_nxt_, h.seq);
  bool syn = h.has(kSyn);
  if (state_ == State::kSynReceived && syn && h.has(kAck) && seq + 1 == rcv_nxt_) {
    // The other half of a simultaneous open: the SYN is known, but the ACK is new.
    syn = false;
    ++seq;
  }
  const Seq last = seq + size + (syn ? 1 : 0) + (h.has(kFin) ? 1 : 0);

  // A segment with an old sequence number is answered as a duplicate, which tells the peer more
  // than PAWS would. PAWS protects the segments that fall into the window.
  if (!acceptable(h, seq, last)) return;
  if (!timestamps_in_order(h, last > seq)) return;

  if (h.has(kRst)) {
    // RFC 5961, 3.2: only the exact number resets; any other number in the window gets a challenge
    // ACK.
    if (seq == rcv_nxt_) {
      ++context_.counters.resets_in;
      end(CloseReason::kReset);
    } else {
      challenge();
    }
    return;
  }
  if (syn) {
    challenge();  // RFC 5961, 4
    return;
  }
  if (!h.has(kAck)) return;

  const Seq ack = widen(snd_una_, h.ack);
  if (ack > snd_nxt_ || ack + std::max(max_snd_wnd_, 1u) < snd_una_) {
    ++context_.counters.bad_acks;
    challenge();  // RFC 5961, 5
    return;
  }

  last_heard_ = context_.now;
  keepalives_ = 0;
  // RFC 7323, 4.3: the timestamp to echo is that of the segment at the left edge of the last ACK.
  if (timestamps_ && h.options.timestamps && seq <= acked_ &&
      (!before(h.options.ts_value, ts_recent_) || ts_recent_expired())) {
    ts_recent_ = h.options.ts_value;
    ts_recent_at_ = context_.now;
  }

  if (ecn_) {
    if (h.has(kCwr)) ecn_echo_ = false;
    if ((r.tos & 3) == 3) {
      context_.counters.ecn_marks_in.add(r.count(size));
      ecn_echo_ = true;
      ack_now();
    }
    if (h.has(kEce)) echoed_congestion();
  }

  if (state_ == State::kSynReceived) {
    if (ack <= iss_) return;
    change_state(closing_ ? State::kFinWait1 : State::kEstablished);
    ++context_.counters.connect_established;
    if (closing_) begin_closing();
    arm_life_timer();
    process_ack(h, seq, ack, true);
    user_->on_established(*this);
  } else {
    process_ack(h, seq, ack, last > seq);
  }
  if (ended()) return;

  const bool fin = h.has(kFin);
  if (size > 0 || fin) accept_data(seq, r, fin);
}

// RFC 9293, 3.10.7.3.
void Connection::input_syn_sent(const Header& h, Received& r) {
  if (h.has(kAck) && (h.ack != wire(iss_ + 1) || snd_nxt_ == iss_)) {
    context_.send_reset(local(), remote(), h, r.segment.size());
    // The peer still had the previous connection with this four-tuple, and the reset has ended it
    // (RFC 9293, 3.5.1): the SYN need not wait for the timeout. Only once, whatever the peer
    // answers.
    if (!h.has(kRst) && snd_nxt_ > iss_ && !asked_again_) {
      asked_again_ = true;
      syn_due_ = true;
      ++context_.counters.connect_again;
      touch();
    }
    return;
  }
  if (h.has(kRst)) {
    if (!h.has(kAck)) return;
    ++context_.counters.resets_in;
    end(CloseReason::kReset);
    return;
  }
  if (!h.has(kSyn)) return;

  const Seq irs = first_seq(h.seq);
  rcv_nxt_ = acked_ = irs + 1;
  rcv_adv_ = rcv_nxt_ + std::min(rcv_buffer_, 0xffffu);
  snd_wl1_ = irs;
  last_heard_ = context_.now;
  learn_options(h.options);
  snd_wnd_ = max_snd_wnd_ = h.window;  // never scaled in a SYN
  ecn_ = context_.config.ecn && !resent_syn_ && h.has(kAck) && h.has(kEce) && !h.has(kCwr);
  ack_now();
  if (!h.has(kAck)) {
    // Simultaneous open: our SYN is sent again, now as SYN-ACK.
    change_state(State::kSynReceived);
    syn_due_ = true;
    return;
  }
  snd_una_ = snd_wl2_ = iss_ + 1;
  backoff_ = 0;
  loss_timer_.disarm();
  unacknowledged_since_ = kNever;
  const Time opened = deadline_ - context_.config.connect_timeout;
  if (!resent_syn_ && !asked_again_) rtt_.sample(context_.now - opened, context_.now);
  change_state(State::kEstablished);
  ++context_.counters.connect_established;
  arm_life_timer();
  if (silent_) answered();
  user_->on_established(*this);
  if (ended()) return;
  if (r.segment.size() > 0 || h.has(kFin)) accept_data(rcv_nxt_, r, h.has(kFin));
}

void Connection::learn_options(const Options& o) {
  sack_ = o.sack_permitted;
  timestamps_ = o.timestamps;
  if (o.timestamps) {
    ts_recent_ = o.ts_value;
    ts_recent_at_ = context_.now;
  }
  if (o.scale) {
    snd_scale_ = std::min(*o.scale, kMaxWindowScale);
    rcv_scale_ = context_.config.window_scale();
  }
  peer_mss_ = o.mss != 0 ? o.mss : kDefaultMss;
  if (peer_mss_ < context_.config.min_mss) ++context_.counters.tiny_mss;
  route_changed();
  congestion_.start(mss_, context_.config.initial_window * mss_);
}

// True: the message was about a segment in flight, and was believed.
bool Connection::path_shrank(uint32_t wire_seq, uint32_t max_segment) {
  const Seq seq = widen(snd_una_, wire_seq);
  if (seq < snd_una_ || seq >= snd_nxt_ || max_segment < context_.config.min_path_segment ||
      max_segment >= episode().path_mtu.limit())
    return false;
  const uint16_t before = mss_;
  episode().path_mtu.lower(static_cast<uint16_t>(max_segment), context_.now,
                           context_.config.mtu_search_interval);
  path_lowered(before);
  return true;
}

void Connection::path_lowered(uint16_t before) {
  route_changed();
  if (mss_ >= before) return;
  ++context_.counters.path_mtu_lowered;
  // Longer segments did not arrive. That is no congestion: the window stays (RFC 1191, 6.4).
  board_.walk_in_flight([&](Scoreboard::Segment& s) {
    if (s.end - s.begin > mss_) board_.mark_lost(s);
    return true;
  });
  force_resend_ = true;
  touch();
}

bool Connection::unreachable(uint32_t wire_seq) {
  if (state_ != State::kSynSent || wire_seq != wire(iss_)) return false;
  end(CloseReason::kUnreachable);
  return true;
}

// Whether TS.Recent is too old. If so, the next timestamp replaces it, however small it looks.
bool Connection::ts_recent_expired() const {
  return context_.now - ts_recent_at_ > kTimestampAge;
}

// PAWS (RFC 7323, 5). False: the segment is dropped, and answered if necessary.
bool Connection::timestamps_in_order(const Header& h, bool carries_data) {
  if (!timestamps_ || h.has(kRst) || h.has(kSyn)) return true;
  // RFC 7323, 3.2 would drop the segment. A connection through a middlebox that removes the option
  // would then hang; as in other stacks, it only goes without PAWS.
  if (!h.options.timestamps) {
    ++context_.counters.no_timestamp;
    return true;
  }
  if (!before(h.options.ts_value, ts_recent_) || ts_recent_expired()) return true;
  // A pure ACK that was overtaken may carry the only report of a duplicate (RFC 2883). An ACK that
  // is older than the last timeout may belong to an earlier lap of the sequence numbers.
  if (!carries_data && Duration(1ms) * (ts_recent_ - h.options.ts_value) < rto()) return true;
  ++context_.counters.paws_drops;
  if (carries_data) answer_out_of_window();  // an old ACK needs no answer
  return false;
}

// RFC 9293, 3.10.7.4, first step. False: the segment is dropped, and answered if necessary. Both
// edges are inclusive: a probe of a shut window is at its right edge and carries a good ACK.
bool Connection::acceptable(const Header& h, Seq seq, Seq end) {
  if (seq <= rcv_adv_ && end >= rcv_nxt_ && (end > rcv_nxt_ || seq == rcv_nxt_)) return true;
  if (h.has(kRst)) {
    // Some stacks (macOS) reset a socket that is closed in a hurry after its FIN with the FIN's own
    // number. That number is as exact as the next one, so no easier to guess (RFC 5961, 3.2).
    if (fin_known_ && rcv_nxt_ == rcv_fin_ + 1 && seq == rcv_fin_) {
      ++context_.counters.resets_in;
      this->end(CloseReason::kReset);
    } else {
      ++context_.counters.resets_ignored;
    }
    return false;
  }
  if (h.has(kSyn)) {
    // The peer missed the end of the handshake, or is the attacker of RFC 5961, 4.
    ++context_.counters.out_of_window;
    answer_out_of_window();
    return false;
  }
  if (end == seq) {
    // A keepalive or window probe asks for an answer, and shows that the peer is there. An old
    // duplicate may need an answer too.
    if (seq + 1 == rcv_nxt_) {
      const Seq ack = h.has(kAck) ? widen(snd_una_, h.ack) : 0;
      if (ack <= snd_nxt_ && ack + max_snd_wnd_ >= snd_una_) {
        last_heard_ = context_.now;
        keepalives_ = 0;
      }
    } else {
      ++context_.counters.out_of_window;
    }
    if (seq != rcv_nxt_) answer_out_of_window();
    return false;
  }
  if (end <= rcv_nxt_) {
    // All of the data is here: our ACK was lost, or the peer's retransmission was needless.
    ++context_.counters.duplicate_data;
    report_duplicate(seq, end);
    // The ACK of the segment still counts: the peer may send nothing else.
    if (h.has(kAck)) {
      const Seq ack = widen(snd_una_, h.ack);
      if (ack >= snd_una_ && ack <= snd_nxt_ && state_ != State::kSynReceived) {
        last_heard_ = context_.now;
        keepalives_ = 0;
        process_ack(h, seq, ack, true);
        if (ended()) return false;
      }
    }
    ack_now();
    return false;
  }
  ++context_.counters.out_of_window;
  answer_out_of_window();
  return false;
}

void Connection::challenge() {
  if (context_.may_challenge(episode().challenged)) ack_now();
}

void Connection::answer_out_of_window() {
  Time& answered = episode().out_of_window_answered;
  if (context_.now - answered < kOutOfWindowInterval) return;
  answered = context_.now;
  ack_now();
}

void Connection::accept_data(Seq seq, Received& r, bool fin) {
  buf::Chain& data = r.segment;
  // After the peer's FIN nothing can follow.
  if (state_ == State::kCloseWait || state_ == State::kClosing || state_ == State::kLastAck) {
    ack_now();
    return;
  }
  if (fin) {
    const Seq at = seq + data.size();
    if (at <= rcv_adv_ && (!fin_known_ || at < rcv_fin_)) {
      fin_known_ = true;
      rcv_fin_ = at;
    }
  }
  if (data.size() > 0) {
    const uint32_t one = r.segment_size == 0 ? data.size() : r.segment_size;
    rcv_mss_ = std::max<uint16_t>(rcv_mss_, static_cast<uint16_t>(std::min(one, 0xffffu)));
    if (seq < rcv_nxt_) {
      const auto old = static_cast<uint32_t>(std::min<uint64_t>(rcv_nxt_ - seq, data.size()));
      report_duplicate(seq, seq + old);
      data.drop_front(old);
      seq += old;
      ack_now_ = true;
    }
    if (seq + data.size() > rcv_adv_) {
      const auto beyond =
          static_cast<uint32_t>(std::min<uint64_t>(seq + data.size() - rcv_adv_, data.size()));
      data.drop_back(beyond);
      ++context_.counters.out_of_window;
      ack_now_ = true;
    }
  }
  if (data.size() > 0 && seq > rcv_nxt_) {
    keep_ahead(seq, r);
    return;
  }
  if (data.size() > 0) {
    const bool gap_before = !out_of_order_.empty();
    // A peer that fills its segments is in slow start and needs its ACKs. Other peers get an answer
    // soon, and the answer carries the ACK.
    if (quick_acks_ > 0 && data.size() >= std::max<uint32_t>(rcv_mss_, kDefaultMss)) {
      quick_acks_ -= static_cast<uint8_t>(std::min<uint32_t>(quick_acks_, r.count(data.size())));
      ack_now_ = true;
    }
    do {
      deliver(data.pop_front());
    } while (data.size() > 0 && !ended());
    while (!ended() && !out_of_order_.empty()) {
      buf::Slice next = out_of_order_.pop(rcv_nxt_);
      if (!next) break;
      deliver(std::move(next));
    }
    if (ended()) return;
    if (gap_before || rcv_nxt_ - acked_ >= 2u * std::max<uint32_t>(rcv_mss_, 1)) ack_now_ = true;
    ack_later_ = true;
  }
  touch();
  if (fin_known_ && rcv_nxt_ == rcv_fin_) {
    reached_fin();
  } else if (fin) {
    ack_now_ = true;  // a FIN behind a gap
  }
}

// Data ahead of a gap.
void Connection::keep_ahead(Seq seq, Received& r) {
  buf::Chain& data = r.segment;
  const uint32_t size = data.size();
  if (out_of_order_.covers(seq, seq + size)) {
    ++context_.counters.duplicate_data;
    report_duplicate(seq, seq + size);
  }
  // The whole window in the shortest pieces that are not copied together, and a little for records.
  const uint32_t buffers =
      std::min(rcv_buffer_ / ReceiveQueue::kCopyBreak + 64,
               context_.memory.buffers() / context_.config.max_out_of_order_share);
  uint32_t kept = 0;
  while (data.size() > 0) {
    buf::Slice piece = data.pop_front();
    const uint32_t n = piece.size();
    kept +=
        out_of_order_.insert(context_.receive_queues, seq, std::move(piece), buffers, context_.now);
    seq += n;
  }
  if (kept > 0) {
    ++context_.counters.out_of_order;
    if (user_ != nullptr) user_->on_gap(*this);
  }
  // Each segment gets a duplicate ACK of its own (RFC 5681, 4.2), even if one burst brings many.
  // Some peers count duplicate ACKs, with SACK too. More of them than start a fast retransmission
  // tell nothing about segments that a port merged.
  constexpr uint32_t kTold = 3;
  bool sent = true;
  for (uint32_t i = std::min(r.count(size), kTold); i > 0 && sent && !ended(); --i)
    sent = send_ack();
  if (!sent) ack_now_ = true;
}

// An ACK has room for one duplicate. A second duplicate in the same burst makes the first leave at
// once, or the peer would not learn that all of its retransmissions were needless.
void Connection::report_duplicate(Seq begin, Seq end) {
  if (duplicate_ && sack_) send_ack();
  duplicate_ = true;
  episode().duplicate_begin = begin;
  episode().duplicate_end = end;
}

void Connection::deliver(buf::Slice data) {
  const uint32_t n = data.size();
  rcv_nxt_ += n;
  unconsumed_ += n;
  context_.counters.bytes_in.add(n);
  user_->on_data(*this, std::move(data));
}

void Connection::reached_fin() {
  rcv_nxt_ = rcv_fin_ + 1;
  rcv_adv_ = std::max(rcv_adv_, rcv_nxt_);
  ack_now_ = true;
  touch();
  const State before = state_;
  if (before == State::kEstablished) change_state(State::kCloseWait);
  // Our FIN is not acknowledged yet, or process_ack would have moved on to FIN-WAIT-2.
  if (before == State::kFinWait1) change_state(State::kClosing);
  user_->on_end_of_data(*this);
  if (before == State::kFinWait2 && !ended()) enter_time_wait();
}

}  // namespace sluice::tcp
