// Segments that leave (RFC 9293, 3.8). Everything but resets leaves from flush().

#include <algorithm>

#include "tcp/connection.h"

namespace sluice::tcp {

uint16_t Connection::widest() const {
  const uint32_t route = context_.output.max_segment(remote().address);
  const uint32_t peer = static_cast<uint32_t>(kMinHeader) + peer_mss_;
  return static_cast<uint16_t>(std::min({route, peer, 0xfffeu}));
}

void Connection::route_changed() {
  const uint16_t limit = episode_ == nullptr ? PathMtu::kUnlimited : episode_->path_mtu.limit();
  path_learned_ = limit != PathMtu::kUnlimited;
  const uint32_t path = std::min(widest(), limit);
  const uint32_t ours = path > kMinHeader ? path - kMinHeader : 0;
  uint32_t mss = std::max(ours, uint32_t{context_.config.min_mss});
  if (timestamps_) mss -= kTimestampsSpace;
  mss_ = static_cast<uint16_t>(mss);
  congestion_.set_mss(mss_);
}

Header Connection::make_header(uint8_t flags, Seq seq) {
  Header h;
  h.source_port = local().port;
  h.destination_port = remote().port;
  h.seq = wire(seq);
  h.flags = flags;
  if (ecn_echo_ && !(flags & kRst)) h.flags |= kEce;
  if (flags & kAck) h.ack = wire(rcv_nxt_);
  if (timestamps_) {
    h.options.timestamps = true;
    h.options.ts_value = timestamp(context_.now);
    h.options.ts_echo = ts_recent_;
  }
  // Rounded up to the unit of the scale: in units, the edge must not fall below what was
  // advertised.
  const uint64_t unit = uint64_t{1} << rcv_scale_;
  const uint64_t scaled = std::min<uint64_t>((allowance() + unit - 1) >> rcv_scale_, 0xffff);
  h.window = static_cast<uint16_t>(scaled);
  return h;
}

void Connection::acknowledged_up_to_now(const Header& h) {
  rcv_adv_ = std::max(rcv_adv_, rcv_nxt_ + (uint64_t{h.window} << rcv_scale_));
  acked_ = rcv_nxt_;
  ack_now_ = ack_later_ = false;
  ack_timer_.disarm();
}

void Connection::flush() {
  if (syn_due_) {
    send_syn();
    return;
  }
  if (state_ == State::kSynSent) return;
  if (state_ != State::kSynReceived) {
    starved_ = false;
    // Data segments have no room for SACK blocks.
    if (ack_now_ && sack_ && (duplicate_ || !out_of_order_.empty())) send_ack();
    if (tail_probe_due_) send_tail_probe();
    send_lost();
    send_new();
    if (ended()) return;
  }
  if (probe_due_) send_probe();
  if (ack_now_) send_ack();
  if (ended()) return;
  if (ack_later_ && !ack_timer_.armed())
    context_.wheel.arm(ack_timer_, context_.now + context_.config.delayed_ack);
  arm_loss_timer();
  if (starved_) starve();
  if (window_withheld_ && !ListHook<Waiting>::linked()) context_.withheld.push_back(*this);
}

void Connection::send_syn() {
  Header h;
  h.source_port = local().port;
  h.destination_port = remote().port;
  h.seq = wire(iss_);
  h.flags = kSyn;
  h.options.mss = static_cast<uint16_t>(
      std::max<uint32_t>(context_.output.max_segment(remote().address), kMinHeader + kDefaultMss) -
      kMinHeader);
  const bool answer = state_ == State::kSynReceived;
  if (context_.config.ecn && !answer && !resent_syn_) h.flags |= kEce | kCwr;
  if (answer) {
    h.flags |= kAck;
    h.ack = wire(rcv_nxt_);
  }
  h.window = static_cast<uint16_t>(std::min(rcv_buffer_, 0xffffu));
  if (!answer || rcv_scale_ != 0 || snd_scale_ != 0)
    h.options.scale = context_.config.window_scale();
  h.options.sack_permitted = !answer || sack_;
  if (!answer || timestamps_) {
    h.options.timestamps = true;
    h.options.ts_value = timestamp(context_.now);
    h.options.ts_echo = answer ? ts_recent_ : 0;
  }
  const ip::Sent sent = context_.send(local(), remote(), h);
  if (sent == ip::Sent::kNoRoute || sent == ip::Sent::kUnreachable) {
    end(CloseReason::kUnreachable);
    return;
  }
  if (sent == ip::Sent::kNoMemory) {
    starve();
    return;
  }
  syn_due_ = false;
  snd_nxt_ = std::max(snd_nxt_, iss_ + 1);
  rto_base_ = context_.now;
  if (answer) ack_now_ = false;
  arm_loss_timer();
}

uint32_t Connection::window_budget() const {
  if (recovery_ == Recovery::kFast) return episode_->prr.allowance();
  const uint32_t cwnd = congestion_.window();
  const uint32_t out = pipe();
  return cwnd > out ? cwnd - out : 0;
}

// Bytes that may leave at once; 0: everything. A window that is spread over its round trip does not
// overflow the queue of a bottleneck. Short paths are not worth the wake-ups, and a window of the
// initial size may always leave at once (RFC 6928).
uint32_t Connection::pacing_quantum() const {
  constexpr Duration kShortest = 16 * TimerWheel::kTick;
  const uint32_t initial = context_.config.initial_window * mss_;
  const uint32_t window = congestion_.window();
  const Duration rtt = rtt_.smoothed();
  if (!context_.config.pacing || rtt < kShortest || window <= initial) return 0;
  const auto two_ticks = static_cast<uint32_t>(uint64_t{window} * 2 * TimerWheel::kTick.count() /
                                               static_cast<uint64_t>(rtt.count()));
  return std::max(initial, two_ticks);
}

// The time that these bytes take at the pacing rate. The rate is above the window's, so that pacing
// never limits the window: by a fifth, and twice as high in slow start, which doubles the window in
// a round trip.
Duration Connection::pace_time(uint64_t bytes) const {
  const uint64_t window = congestion_.window();
  const uint64_t scale = congestion_.slow_start() ? window * 10 : window * 6;  // fifths
  return Duration(
      static_cast<int64_t>(bytes * 5 * static_cast<uint64_t>(rtt_.smoothed().count()) / scale));
}

// Records what was sent.
void Connection::pace(uint32_t size, uint32_t quantum) {
  pace_at_ = std::max(pace_at_, context_.now - pace_time(quantum)) + pace_time(size);
}

// RFC 9438, 5.8 and RFC 7661: whether the window is the limit, and not the application. Decided
// when data leaves, since all ACKs of a turn are processed before the next data. Slow start may
// double a window of which half is used.
void Connection::note_window_use() {
  const uint32_t out = pipe();
  window_used_ = congestion_.window() <= out + (congestion_.slow_start() ? out : 2u * mss_);
}

void Connection::send_lost() {
  while (Scoreboard::Segment* s = board_.next_lost()) {
    // With nothing in flight one segment always leaves, or recovery would stand still.
    const auto size = static_cast<uint32_t>(std::min<uint64_t>(s->end - s->begin, mss_));
    if (window_budget() < size && pipe() > 0 && !force_resend_) return;
    Seq end = std::min(s->end, s->begin + mss_);
    // A FIN behind the bytes of a full segment leaves with them.
    if (closing_ && end == fin_seq_ && s->end == fin_seq_ + 1) end = s->end;
    if (!send_range(s->begin, end, 0, true)) return;
    // The answer to this segment is a round trip away (RFC 6298, 5.3).
    if (s == board_.first()) rto_base_ = context_.now;
    board_.resent(*s, end, context_.now);
    note_resent(s->begin, end);
    if (recovery_ == Recovery::kFast) episode().prr.sent(size);
  }
}

void Connection::note_resent(Seq begin, Seq end) {
  ++context_.counters.retransmits;
  Episode& e = episode();
  ++e.undo_resent;
  e.resent_begin = resent_any_ ? std::min(e.resent_begin, begin) : begin;
  e.resent_end = resent_any_ ? std::max(e.resent_end, end) : end;
  resent_any_ = true;
  force_resend_ = false;
  note_window_use();
}

void Connection::send_new() {
  // RFC 5681, 4.1: a window from long ago is no longer valid.
  if (board_.empty() && snd_nxt_ < end_to_send() && context_.now - last_sent_ > rto())
    congestion_.on_idle(context_.now, context_.config.initial_window * mss_);
  if (path_learned_) send_mtu_probe();
  const bool several = end_to_send() - snd_nxt_ > mss_;
  const uint32_t tso = several ? context_.output.max_tso(remote().address) : 0;
  const uint32_t quantum = pacing_quantum();
  paced_ = false;
  while (snd_nxt_ < end_to_send() && board_.lost() == 0) {
    const Seq edge = snd_una_ + snd_wnd_;
    const uint64_t queued = end_of_data_to_send() - snd_nxt_;
    const bool fin_only = queued == 0;
    const uint64_t room = edge > snd_nxt_ ? edge - snd_nxt_ : 0;
    uint64_t size = std::min<uint64_t>(queued, mss_);
    if (fin_only) {
      // A FIN may be at the edge: it takes no buffer.
      if (edge < snd_nxt_) return;
    } else {
      if (room < size) {
        // Sender's silly window avoidance (RFC 9293, 3.8.6.2.1): half of the largest window seen,
        // and never so little that headers outweigh it, however small that window was.
        const uint32_t worthwhile = std::max<uint32_t>(max_snd_wnd_ / 2, context_.config.min_mss);
        if (room == 0 || (room < worthwhile && !force_small_)) return;
        size = room;
      }
      const uint32_t budget = window_budget();
      if (budget < size && pipe() > 0) {
        window_used_ = true;
        return;
      }
      if (quantum > 0 && pace_at_ > context_.now) {
        // Never longer than one release takes at the current rate: the rate may have risen.
        pace_at_ = std::min(pace_at_, context_.now + pace_time(quantum));
        // A sender that waits for the next release uses the window in full.
        paced_ = window_used_ = true;
        return;
      }
      if (tso > mss_ && size == mss_) {
        uint64_t burst = std::min<uint64_t>({queued, room, budget, tso});
        if (quantum > 0) burst = std::min<uint64_t>(burst, quantum);
        // The rest behind the last whole segment leaves with it: a short last segment costs no
        // frame of its own.
        size = burst == queued ? burst : std::max<uint64_t>(burst / mss_ * mss_, mss_);
      }
    }
    force_small_ = false;
    const Seq begin = snd_nxt_;
    Seq end = begin + size;
    if (closing_ && end == fin_seq_) ++end;
    const bool was_empty = board_.empty();
    if (!send_range(begin, end, size > mss_ ? mss_ : 0, false)) return;
    sent_new(begin, end, was_empty);
    if (quantum > 0) pace(static_cast<uint32_t>(size), quantum);
    if (recovery_ == Recovery::kFast) episode().prr.sent(static_cast<uint32_t>(size));
  }
}

Seq Connection::end_of_data_to_send() const {
  return closing_ ? fin_seq_ : end_of_data();
}

// Sends [begin, end), and a FIN when end is behind it. May send less: `end` becomes the end of what
// was sent. False when nothing left.
bool Connection::send_range(Seq begin, Seq& end, uint16_t segment_size, bool again) {
  const bool fin = closing_ && end > fin_seq_;
  const Seq data_end = fin ? fin_seq_ : end;
  auto size = static_cast<uint32_t>(data_end - begin);
  auto& pieces = context_.pieces;
  size_t count = 0;
  uint32_t gathered = 0;
  if (size > 0) {
    send_queue_.peek(begin - iss_ - 1, size, [&](const buf::Fragment& v) {
      if (count == kMaxPieces) return;
      pieces[count++] = v;
      gathered += static_cast<uint32_t>(v.size());
    });
  }
  uint8_t flags = kAck;
  if (gathered < size) {
    if (segment_size != 0 && gathered > segment_size) {
      // A burst keeps whole segments, since the records of the scoreboard are whole segments.
      uint32_t cut = gathered % segment_size;
      gathered -= cut;
      while (cut > 0) {
        buf::Fragment& last = pieces[count - 1];
        const auto n = static_cast<uint32_t>(std::min<size_t>(cut, last.size()));
        last = last.first(last.size() - n);
        if (last.empty()) --count;
        cut -= n;
      }
    }
    size = gathered;
    end = begin + size;
  } else if (fin) {
    flags |= kFin;
  }
  if (size > 0 && begin + size == end_of_data()) flags |= kPsh;
  if (segment_size >= size) segment_size = 0;

  // RFC 3168, 6.1.5: only new data is ECN-capable.
  const bool capable = ecn_ && !again && size > 0;
  if (capable && ecn_reduced_) flags |= kCwr;
  Header h = make_header(flags, begin);
  constexpr uint8_t kEct0 = 2;
  const ip::Sent sent = context_.send(local(), remote(), h, capable ? kEct0 : 0,
                                      {pieces.data(), count}, size, segment_size);
  if (sent == ip::Sent::kNoMemory) {
    starved_ = true;
    return false;
  }
  if (capable) ecn_reduced_ = false;
  last_sent_ = context_.now;
  acknowledged_up_to_now(h);
  return true;
}

bool Connection::send_ack() {
  Header h = make_header(kAck, snd_nxt_);
  fill_sacks(h);
  if (context_.send(local(), remote(), h) == ip::Sent::kNoMemory) {
    starve();
    return false;
  }
  duplicate_ = false;
  acknowledged_up_to_now(h);
  return true;
}

// RFC 2018, 4, with a duplicate first (RFC 2883, 4).
void Connection::fill_sacks(Header& h) {
  if (!sack_) return;
  auto& o = h.options;
  const size_t room = timestamps_ ? 3 : 4;
  size_t n = 0;
  if (duplicate_) o.sacks[n++] = {wire(episode_->duplicate_begin), wire(episode_->duplicate_end)};
  n += out_of_order_.sack_blocks(std::span(o.sacks).subspan(n, room - n));
  o.sack_count = static_cast<uint8_t>(n);
}

// Sends an old sequence number, to which every peer answers with an ACK: the answer shows that the
// peer is alive, and its window (RFC 9293, 3.8.4 and 3.8.6.1).
void Connection::send_probe() {
  Header h = make_header(kAck, snd_una_ - 1);
  if (context_.send(local(), remote(), h) == ip::Sent::kNoMemory) {
    starve();
    return;
  }
  probe_due_ = false;
}

// RFC 4821, 7: sends one longer segment of new data. Only while nothing is lost, and enough data
// follows for SACK to notice a loss of the probe.
void Connection::send_mtu_probe() {
  constexpr uint32_t kFollowers = 4;  // segments behind the probe: RACK's reordering and one more
  if (recovery_ != Recovery::kOpen || !sack_ || board_.sacked() > 0 || board_.lost() > 0) return;
  const uint16_t size =
      episode().path_mtu.next_probe(widest(), context_.now, context_.config.mtu_search_interval);
  if (size == 0) return;
  const uint32_t payload = size - kMinHeader - (timestamps_ ? kTimestampsSpace : 0);
  const uint32_t needed = payload + kFollowers * mss_;
  const Seq edge = snd_una_ + snd_wnd_;
  if (payload <= mss_ || window_budget() < needed || snd_nxt_ + needed > edge ||
      snd_nxt_ + needed > end_of_data_to_send())
    return;
  const bool was_empty = board_.empty();
  const Seq begin = snd_nxt_;
  Seq end = begin + payload;
  if (!send_range(begin, end, 0, false)) return;
  if (end == begin + payload) {
    ++context_.counters.path_mtu_probes;
    episode().path_mtu.probing(size, end);
  }
  sent_new(begin, end, was_empty);
}

void Connection::sent_new(Seq begin, Seq end, bool was_empty) {
  for (Seq at = begin; at < end;) {
    Seq upto = is_mtu_probe(end) ? end : std::min<Seq>(at + mss_, end);
    if (closing_ && upto == fin_seq_) ++upto;
    board_.sent(at, upto, context_.now);
    at = upto;
  }
  context_.counters.bytes_out.add(end - begin);
  snd_nxt_ = end;
  note_window_use();
  if (was_empty) {
    rto_base_ = context_.now;
    unacknowledged_since_ = context_.now;
  }
}

// RFC 8985, 7.3: sends new data if there is some and the peer has room, else the last segment
// again.
void Connection::send_tail_probe() {
  tail_probe_due_ = false;
  if (board_.empty() || recovery_ != Recovery::kOpen) return;
  // There was time for a D-SACK of the last probe, and none came.
  if (tail_probe_end_ != 0) tail_probe_repaired();
  const Seq old_nxt = snd_nxt_;
  const Seq edge = snd_una_ + snd_wnd_;
  const Seq data_end = end_of_data_to_send();
  const uint64_t size = data_end > snd_nxt_ ? std::min<uint64_t>(data_end - snd_nxt_, mss_) : 0;
  Seq end = snd_nxt_ + size;
  if (size > 0 && end <= edge) {
    if (closing_ && end == fin_seq_) ++end;
    if (!send_range(old_nxt, end, 0, false)) return;
    board_.sent(old_nxt, end, context_.now);
    context_.counters.bytes_out.add(size);
    snd_nxt_ = end;
    tail_probe_resent_ = false;
  } else {
    Scoreboard::Segment& s = *board_.last();
    Seq upto = s.end;
    if (s.state != Scoreboard::State::kInFlight || s.end - s.begin > mss_ + 1u) {
      // Nothing to probe with: the timeout is next.
      tail_probe_end_ = snd_nxt_;
      tail_probe_resent_ = false;
      return;
    }
    if (!send_range(s.begin, upto, 0, true)) return;
    board_.resent(s, upto, context_.now);
    ++context_.counters.retransmits;
    tail_probe_resent_ = true;
  }
  ++context_.counters.tail_probes;
  tail_probe_end_ = snd_nxt_;
  rto_base_ = context_.now;
}

}  // namespace sluice::tcp
