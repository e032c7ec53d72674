#include "tls/stream.h"

#include <algorithm>
#include <cstring>

#include <openssl/err.h>

#include "tls/context.h"
#include "tls/failure.h"

namespace sluice::tls {

using transport::End;

Stream::Stream(Context& context, transport::StreamPtr lower,
               std::shared_ptr<const ServerContexts> contexts)
    : transport::Stream(plain_),
      context_(context),
      lower_(std::move(lower)),
      timer_([](void* self, Time) { static_cast<Stream*>(self)->on_timer(); }, this),
      contexts_(std::move(contexts)) {
  handshake_ = std::make_unique<Handshake>(contexts_, next_lane(), context_.ticket_keys);
  begin_handshake();
  if (context_.guards.handshake_timeout > Duration::zero())
    context_.wheel.arm(timer_, context_.now + context_.guards.handshake_timeout);
}

Stream::Stream(Context& context, std::shared_ptr<const ClientContext> client)
    : transport::Stream(plain_),
      context_(context),
      timer_([](void* self, Time) { static_cast<Stream*>(self)->on_timer(); }, this),
      client_(std::move(client)) {}

bool Stream::connect(transport::Layer& below, const Endpoint& remote, Time now) {
  lower_ = below.connect(remote, *this, now);
  return lower_ != nullptr;
}

size_t Stream::next_lane() const {
  return context_.handshakes != nullptr ? context_.handshakes->lane() : context_.lane;
}

Stream::~Stream() {
  leave_handshake();
}

void Stream::release() {
  context_.streams.destroy(this);
}

// --- Output ---

uint32_t Stream::room() const {
  if (state_ != State::kOpen || closing_) return 0;
  const uint64_t records = plain_.size() / Context::kMaxPlain + 1;
  const uint64_t taken = plain_.size() + records * kOverhead;
  const uint32_t below = lower_->room();
  return below > taken ? static_cast<uint32_t>(below - taken) : 0;
}

void Stream::push() {
  if (closing_) return;
  pushed_ = plain_.end();
  seal();
  lower_->push();
}

// The bytes that were pushed become records, as far as the lower stream takes them.
void Stream::seal() {
  if (state_ != State::kOpen || closing_) return;
  while (plain_.begin() < pushed_) {
    const uint32_t below = lower_->room();
    if (below <= kOverhead) break;
    const uint64_t n = std::min<uint64_t>(
        {pushed_ - plain_.begin(), Context::kMaxPlain, uint64_t{below} - kOverhead});
    if (!seal_one(static_cast<uint32_t>(n))) break;
  }
}

// False: nothing was made, now or for ever.
bool Stream::seal_one(uint32_t n) {
  buf::Pool& pool = context_.memory.hold();
  constexpr uint32_t kSpare = 4;  // buffers beside those of a whole record
  if (pool.available() < Context::kMaxPlain / buf::Queue::kMaxContiguous + kSpare) {
    if (!timer_.armed()) context_.wheel.arm(timer_, context_.now + kMemoryRetry);
    return false;
  }
  uint8_t* to = context_.scratch.data();
  for (uint32_t left = n; left > 0;) {
    const buf::Slice piece = plain_.pop(left);
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
    left -= piece.size();
  }
  const uint64_t begin = lower_->output().end();
  size_t written = 0;
  const int result = SSL_write_ex(ssl_.get(), context_.scratch.data(), n, &written);
  if (starved_) {
    out_of_memory();
    return false;
  }
  if (result != 1 || written != n) {
    ++context_.stats.broken;
    failure_ = "TLS could make no record";
    fail();
    return false;
  }
  log_.add(plain_.begin(), begin, lower_->output().end());
  return true;
}

bool Stream::put_record(buf::View bytes) {
  if (!sends_) return true;  // nothing follows our FIN
  if (!lower_->output().append_copy(bytes, context_.memory.hold())) {
    starved_ = true;
    return false;
  }
  written_ = true;
  return true;
}

void Stream::send_written() {
  if (starved_) {
    out_of_memory();
    return;
  }
  if (std::exchange(written_, false) && state_ != State::kGone) lower_->push();
}

void Stream::close() {
  if (closing_ || state_ == State::kFailed || state_ == State::kGone) return;
  pushed_ = plain_.end();
  if (state_ == State::kOpen) {
    // All at once, whatever the room: the lower stream limits how long the peer may take for it.
    while (state_ == State::kOpen && plain_.begin() < pushed_) {
      const uint64_t n = std::min<uint64_t>(pushed_ - plain_.begin(), Context::kMaxPlain);
      if (seal_one(static_cast<uint32_t>(n))) continue;
      if (state_ == State::kOpen) out_of_memory();
    }
    if (state_ != State::kOpen) return;
    SSL_shutdown(ssl_.get());  // our close_notify
    ERR_clear_error();
    send_written();
    if (state_ != State::kOpen) return;
    timer_.disarm();
  } else {
    leave_handshake();
    state_ = State::kFailed;
  }
  closing_ = true;
  sends_ = false;
  lower_->close();
}

void Stream::abort() {
  if (state_ == State::kHandshake && is_client()) {
    ++context_.stats.pod_handshakes_failed;
    failure_ = "no end of the TLS handshake in time";
  }
  leave_handshake();
  state_ = State::kGone;
  sends_ = false;
  timer_.disarm();
  plain_.clear();
  early_.clear();
  lower_->abort();
}

void Stream::fail() {
  if (state_ == State::kFailed || state_ == State::kGone) return;
  ERR_clear_error();
  state_ = State::kFailed;
  timer_.disarm();
  send_written();
  if (state_ == State::kGone) return;
  plain_.clear();
  early_.clear();
  sends_ = false;
  if (!std::exchange(closing_, true)) lower_->close();
  if (!std::exchange(peer_ended_, true)) user_->on_end_of_data(*this, End::kTruncated);
}

void Stream::out_of_memory() {
  if (state_ == State::kGone) return;
  ++context_.stats.memory_refusals;
  ERR_clear_error();
  abort();
}

void Stream::on_timer() {
  if (state_ == State::kHandshake) {
    act(Guard::kTimeout);
    return;
  }
  on_writable(*lower_);
}

// --- Input ---

uint32_t Stream::take_received(uint8_t* to, uint32_t n) {
  n = std::min(n, static_cast<uint32_t>(received_.size()));
  if (n > 0) std::memcpy(to, received_.data(), n);  // memcpy takes no null pointer
  received_ = received_.subspan(n);
  return n;
}

void Stream::on_established(transport::Stream&) {
  if (state_ != State::kConnecting) return;
  handshake_ = std::make_unique<Handshake>(client_, next_lane());
  begin_handshake();
  take_step({});
}

void Stream::on_data(transport::Stream&, buf::Slice data) {
  const uint32_t size = data.size();
  held_ += size;
  if (state_ == State::kHandshake) {
    receive_early(std::move(data));
    if (state_ == State::kHandshake) return;
  } else {
    received_ = data.view();
    if (state_ == State::kOpen) read();
    received_ = {};
  }
  if (state_ == State::kFailed || (closing_ && peer_ended_)) {
    discarded_ += size;
    if (discarded_ > kDiscarded) abort();
  }
  if (state_ != State::kGone) credit();
}

// OpenSSL has taken the received bytes, up to an incomplete record, for which its own buffer has
// room. So the lower window stays shut for plain bytes that the user has not consumed, less one
// record at most.
void Stream::credit() {
  if (held_ <= unconsumed_) return;
  const uint64_t n = held_ - unconsumed_;
  held_ = unconsumed_;
  lower_->consumed(static_cast<uint32_t>(n));
}

void Stream::consumed(uint32_t n) {
  unconsumed_ -= std::min<uint64_t>(n, unconsumed_);
  if (state_ != State::kGone) credit();
}

void Stream::read() {
  while (state_ == State::kOpen && !peer_ended_) {
    buf::Slice plain = context_.memory.hold().alloc();
    if (!plain) {
      out_of_memory();
      return;
    }
    int result = 1;
    while (plain.tailroom() > 0) {
      size_t n = 0;
      result = SSL_read_ex(ssl_.get(), plain.mutable_data() + plain.size(), plain.tailroom(), &n);
      if (result != 1 || tripped_ != Guard::kNone) break;
      plain.grow_back(static_cast<uint32_t>(n));
    }
    const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_SSL && is_client()) failure_ = failure_of(ssl_.get());
    ERR_clear_error();
    send_written();  // the answer to a KeyUpdate, or an alert
    if (state_ != State::kOpen) return;
    if (tripped_ != Guard::kNone) {
      act(tripped_);
      return;
    }
    if (plain.size() > 0) deliver(std::move(plain));
    if (error == SSL_ERROR_NONE || state_ != State::kOpen) continue;
    if (error == SSL_ERROR_ZERO_RETURN) {
      peer_ended_ = true;
      user_->on_end_of_data(*this, End::kClean);
    } else if (error != SSL_ERROR_WANT_READ) {
      ++context_.stats.broken;
      fail();
    }
    return;
  }
}

void Stream::deliver(buf::Slice data) {
  unconsumed_ += data.size();
  user_->on_data(*this, std::move(data));
}

// TCP's FIN says nothing about the plain bytes (RFC 8446, 6.1).
void Stream::on_end_of_data(transport::Stream&, End) {
  if (state_ == State::kHandshake) {
    ended_early_ = away_ != nullptr;  // what came before the end may still complete the handshake
    if (ended_early_) return;
    handshake_closed(transport::CloseReason::kFinished);
    fail();
    return;
  }
  if (std::exchange(peer_ended_, true)) return;
  ++context_.stats.truncated;
  user_->on_end_of_data(*this, End::kTruncated);
}

void Stream::on_writable(transport::Stream&) {
  seal();
  if (state_ != State::kOpen) return;
  lower_->push();
  if (room() > 0) user_->on_writable(*this);
}

void Stream::on_closed(transport::Stream&, transport::CloseReason reason) {
  if (state_ == State::kHandshake) handshake_closed(reason);
  state_ = State::kGone;
  early_.clear();
  timer_.disarm();
  user_->on_closed(*this, reason);
}

}  // namespace sluice::tls
