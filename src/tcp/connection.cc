#include "tcp/connection.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "tcp/isn.h"

namespace sluice::tcp {

namespace {

// is_transition() as bits: the word of a state has the states that it may change to.
constexpr auto kWays = [] {
  constexpr unsigned kStates = static_cast<unsigned>(State::kClosed) + 1;
  std::array<uint16_t, kStates> ways{};
  for (unsigned from = 0; from < kStates; ++from)
    for (unsigned to = 0; to < kStates; ++to)
      if (is_transition(static_cast<State>(from), static_cast<State>(to)))
        ways[from] = static_cast<uint16_t>(ways[from] | 1u << to);
  return ways;
}();

[[maybe_unused]] bool leads_to(State from, State to) {
  return (kWays[static_cast<size_t>(from)] >> static_cast<unsigned>(to) & 1) != 0;
}

}  // namespace

Connection::Connection(Context& context, const Endpoint& l, const Endpoint& r, User* user,
                       State first)
    : Flow(Kind::kConnection, l, r),
      context_(context),
      user_(user),
      ack_timer_(
          [](void* c, Time now) {
            auto& self = *static_cast<Connection*>(c);
            self.context_.now = now;
            self.on_ack_timer();
          },
          this),
      loss_timer_(
          [](void* c, Time now) {
            auto& self = *static_cast<Connection*>(c);
            self.context_.now = now;
            self.on_loss_timer();
          },
          this),
      board_(context.segments),
      user_timeout_(context.config.user_timeout),
      life_timer_(
          [](void* c, Time now) {
            auto& self = *static_cast<Connection*>(c);
            self.context_.now = now;
            self.on_life_timer();
          },
          this) {
  assert(reinterpret_cast<const char*>(&rtt_ + 1) - reinterpret_cast<const char*>(this) <=
         static_cast<ptrdiff_t>(kHotBytes));
  change_state(first);
  iss_ = first_seq(initial_sequence(context.secret, l, r, context.now));
  ts_offset_ = timestamp_offset(context.secret, l, r);
  snd_una_ = iss_;
  snd_nxt_ = iss_;
  rcv_buffer_ = context.config.receive_buffer;
  quick_acks_ = static_cast<uint8_t>(std::min(context.config.quick_acks, 255u));
  last_heard_ = last_sent_ = context.now;
  deadline_ = context.now + context.config.connect_timeout;
  syn_due_ = true;
  arm_life_timer();
  touch();
}

Connection::Connection(Context& context, const Endpoint& l, const Endpoint& r, const Handshake& h)
    : Connection(context, l, r, nullptr, State::kSynReceived) {
  syn_due_ = false;
  passive_ = true;
  change_state(State::kEstablished);
  iss_ = first_seq(h.iss);
  snd_una_ = snd_nxt_ = iss_ + 1;
  const Seq irs = first_seq(h.irs);
  rcv_nxt_ = acked_ = irs + 1;
  rcv_adv_ = rcv_nxt_ + h.offered_window;
  ts_offset_ = h.ts_offset;
  ts_recent_ = h.ts_recent;
  ts_recent_at_ = context.now;
  sack_ = h.sack;
  ecn_ = h.ecn;
  timestamps_ = h.timestamps;
  if (h.peer_scale) {
    snd_scale_ = *h.peer_scale;
    rcv_scale_ = context.config.window_scale();
  }
  peer_mss_ = h.peer_mss;
  if (peer_mss_ < context.config.min_mss) ++context.counters.tiny_mss;
  snd_wl1_ = irs;
  route_changed();
  congestion_.start(mss_, context.config.initial_window * mss_);
  if (h.rtt > Duration::zero()) rtt_.sample(h.rtt, context.now);
  arm_life_timer();
}

Connection::~Connection() {
  if (episode_ != nullptr) context_.episodes.destroy(episode_);
}

// Beyond send_buffer a queue takes no more than as many KiB as buffers are free above half of the
// pool. So later connections find room, and many long paths share the free buffers.
uint32_t Connection::send_limit() const {
  constexpr uint64_t kWorth = 1024;  // bytes for each packet buffer, since few are full
  const Config& c = context_.config;
  const uint64_t grown = c.send_buffer + context_.memory.plenty() * kWorth;
  return static_cast<uint32_t>(
      std::min<uint64_t>(grown, std::max(c.send_buffer, c.send_buffer_max)));
}

uint32_t Connection::send_space() const {
  const uint64_t queued = send_queue_.size();
  const uint64_t unsent = snd_nxt_ < end_to_send() ? end_to_send() - snd_nxt_ : 0;
  const Seq edge = snd_una_ + snd_wnd_;
  const uint64_t window = edge > snd_nxt_ ? edge - snd_nxt_ : 0;
  const uint64_t ahead = std::min<uint64_t>(window, window_budget()) + kUnsentAhead;
  if (unsent >= ahead) return 0;
  const uint64_t useful = ahead - unsent;
  // send_limit() is never below send_buffer.
  if (queued + useful <= context_.config.send_buffer) return static_cast<uint32_t>(useful);
  const uint32_t limit = send_limit();
  return queued >= limit ? 0 : static_cast<uint32_t>(std::min(limit - queued, useful));
}

// The send_space() from which on_writable is worth calling.
uint32_t Connection::worthwhile_space() const {
  return std::min(context_.config.send_buffer, kUnsentAhead) / 2;
}

void Connection::push() {
  assert(!closing_ || end_of_data() == fin_seq_);  // nothing follows the FIN
  // Behind a short queue there is space, whatever the windows are: most calls need no sum.
  constexpr uint64_t kShort = kUnsentAhead / 2;
  const uint64_t queued = send_queue_.size();
  const bool spacious = queued < kShort && queued + kShort <= context_.config.send_buffer;
  if (!spacious && send_space() < worthwhile_space()) low_space_ = true;
  touch();
}

void Connection::close() {
  if (closing_ || ended()) return;
  if (state_ == State::kSynSent) {
    // Nothing was exchanged: there is nothing to close in order.
    end(CloseReason::kAborted);
    return;
  }
  closing_ = true;
  fin_seq_ = end_of_data();
  if (state_ == State::kEstablished) {
    change_state(State::kFinWait1);
  } else if (state_ == State::kCloseWait) {
    change_state(State::kLastAck);
  }
  // Before the handshake is done, the deadline of the handshake applies.
  if (waits_for_fin()) {
    begin_closing();
    arm_life_timer();
  }
  touch();
}

void Connection::abort() {
  if (ended()) return;
  if (state_ != State::kSynSent) send_reset();
  end(CloseReason::kAborted);
}

void Connection::send_reset() {
  const Header h = make_header(kRst | kAck, snd_nxt_);
  if (context_.send(local(), remote(), h) == ip::Sent::kYes) ++context_.counters.resets_out;
}

uint64_t Connection::transmitted() const {
  return snd_nxt_ <= iss_ ? 0 : std::min(snd_nxt_ - iss_ - 1, send_queue_.end());
}

uint64_t Connection::acknowledged() const {
  return send_queue_.begin();
}

void Connection::set_user_timeout(Duration timeout) {
  user_timeout_ = timeout;
  if (!ended()) arm_loss_timer();
}

// The part of the receive buffer that the owner's unconsumed bytes leave free.
uint32_t Connection::receive_room() const {
  const uint32_t tellable = 0xffffu << rcv_scale_;
  return std::min(rcv_buffer_ > unconsumed_ ? rcv_buffer_ - unconsumed_ : 0, tellable);
}

// Without memory the right edge does not move.
uint32_t Connection::allowance() const {
  const auto promised = static_cast<uint32_t>(rcv_adv_ - rcv_nxt_);
  return context_.memory.roomy() ? std::max(promised, receive_room()) : promised;
}

void Connection::consumed(uint32_t n) {
  n = std::min(n, unconsumed_);
  unconsumed_ -= n;
  tune_receive_buffer(n);
  if (ended() || state_ < State::kEstablished || !window_update_due()) return;
  if (context_.memory.roomy()) {
    ack_now();
    return;
  }
  // The peer waits for this update, and perhaps no other segment will ever carry it.
  window_withheld_ = true;
  if (!ListHook<Waiting>::linked()) context_.withheld.push_back(*this);
}

// Silly window avoidance (RFC 9293, 3.8.6.2.2): a considerable growth of the window is advertised,
// at once when the window was nearly shut.
bool Connection::window_update_due() const {
  const auto promised = static_cast<uint32_t>(rcv_adv_ - rcv_nxt_);
  const uint32_t room = receive_room();
  const uint32_t growth = room > promised ? room - promised : 0;
  const uint32_t segments =
      std::min(2u * std::max<uint32_t>(rcv_mss_, kDefaultMss), rcv_buffer_ / 2);
  if (growth < segments) return false;
  return growth >= rcv_buffer_ / 4 || promised <= rcv_buffer_ / 8;
}

void Connection::memory_returned() {
  window_withheld_ = false;
  if (window_update_due()) ack_now();
}

// Dynamic right-sizing (Fisk and Feng, 2001): an owner that takes half of the buffer within one
// round trip may be limited by the buffer.
void Connection::tune_receive_buffer(uint32_t consumed) {
  tuned_ += consumed;
  if (context_.now - tuned_at_ < rtt_.smoothed()) return;
  const uint32_t most = context_.config.receive_buffer_max;
  if (tuned_ >= rcv_buffer_ / 2 && rcv_buffer_ < most && context_.memory.roomy())
    rcv_buffer_ = std::min(most, std::max(rcv_buffer_, 2 * tuned_) + rcv_buffer_ / 2);
  tuned_ = 0;
  tuned_at_ = context_.now;
}

void Connection::change_state(State to) {
  assert(leads_to(state_, to));
  if (context_.trace != nullptr) context_.trace->changed(key(), state_, to);
  state_ = to;
}

void Connection::touch() {
  if (ended()) return;
  ListHook<Waiting>::unlink();
  context_.touched.push_back(*this);
}

void Connection::starve() {
  ++context_.counters.send_starved;
  ListHook<Waiting>::unlink();
  context_.starved.push_back(*this);
}

// From here on the four-tuple is free; only on_closed remains.
void Connection::end(CloseReason reason) {
  if (ended()) return;
  if (!passive_ && state_ <= State::kSynReceived) ++context_.counters.connect_failed;
  if (reason == CloseReason::kTimeout) ++context_.counters.timeouts;
  assert(reason != CloseReason::kFinished || may_finish(state_));
  change_state(State::kClosed);
  reason_ = reason;
  loss_timer_.disarm();
  ack_timer_.disarm();
  life_timer_.disarm();
  board_.clear();
  out_of_order_.clear();
  context_.table.erase(*this);
  context_.peers.remove(*this);
  ListHook<Waiting>::unlink();
  context_.ended.push_back(*this);
}

void Connection::enter_time_wait() {
  const auto window = static_cast<uint32_t>(rcv_adv_ - rcv_nxt_);
  if (ack_now_ || ack_later_) send_ack();
  end(CloseReason::kFinished);
  bool evicted = false;
  TimeWait& t =
      context_.time_waits.add(local(), remote(), context_.now + context_.config.time_wait, evicted);
  if (evicted) ++context_.counters.time_wait_evicted;
  t.snd_nxt = wire(snd_nxt_);
  t.rcv_nxt = wire(rcv_nxt_);
  t.window_end = wire(rcv_nxt_) + window;
  t.timestamps = timestamps_;
  t.ts_recent = ts_recent_;
  t.ts_offset = ts_offset_;
}

}  // namespace sluice::tcp
