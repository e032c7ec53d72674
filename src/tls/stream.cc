#include "tls/stream.h"

#include <algorithm>
#include <cstring>

#include "tls/context.h"

namespace sluice::tls {

using transport::End;

Stream::Stream(Context& context, transport::StreamPtr lower,
               std::shared_ptr<const ServerContexts> contexts)
    : transport::Stream(plain_),
      context_(context),
      lower_(std::move(lower)),
      watch_(context.now, context.guards, context.stats, false),
      record_size_(Records::kMaxPlain, true),
      timer_([](void* self, Time) { static_cast<Stream*>(self)->on_timer(); }, this),
      record_timer_([](void* self, Time) { static_cast<Stream*>(self)->on_record_timer(); }, this),
      contexts_(std::move(contexts)) {
  begin_handshake(std::make_unique<Handshake>(contexts_, next_lane(), context_.ticket_keys));
  if (context_.guards.handshake_timeout > Duration::zero())
    context_.wheel.arm(timer_, context_.now + context_.guards.handshake_timeout);
}

Stream::Stream(Context& context, std::shared_ptr<const ClientContext> client)
    : transport::Stream(plain_),
      context_(context),
      watch_(context.now, context.guards, context.stats, true),
      record_size_(Records::kMaxPlain, false),  // the paths to pods are short
      timer_([](void* self, Time) { static_cast<Stream*>(self)->on_timer(); }, this),
      record_timer_([](void* self, Time) { static_cast<Stream*>(self)->on_record_timer(); }, this),
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
  const uint64_t records = plain_.size() / record_size_.current() + 1;
  const uint64_t taken = plain_.size() + records * Records::kOverhead;
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
    if (below <= Records::kOverhead) break;
    const uint64_t n =
        std::min<uint64_t>({pushed_ - plain_.begin(), record_size_.next(context_.now),
                            uint64_t{below} - Records::kOverhead});
    if (!seal_one(static_cast<uint32_t>(n))) break;
  }
}

// False: nothing was made, now or for ever.
bool Stream::seal_one(uint32_t n) {
  constexpr uint32_t kSpare = 4;  // buffers beside those of a whole record
  if (context_.memory.hold().available() <
      Records::kMaxPlain / buf::Queue::kMaxContiguous + kSpare) {
    if (!timer_.armed()) context_.wheel.arm(timer_, context_.now + kMemoryRetry);
    return false;
  }
  const uint64_t begin = lower_->output().end();
  switch (records_->seal(plain_, n)) {
    case Records::Sealed::kDone:
      record_size_.made(n, context_.now);
      log_.add(plain_.begin(), begin, lower_->output().end(), lower_->acknowledged());
      return true;
    case Records::Sealed::kNoMemory:
      out_of_memory();
      return false;
    case Records::Sealed::kBroken:
      break;
  }
  ++context_.stats.broken;
  failure_ = "TLS could make no record";
  give_up();
  return false;
}

void Stream::send_written() {
  if (state_ == State::kGone) return;
  const uint64_t end = lower_->output().end();
  if (std::exchange(written_, end) != end) lower_->push();
}

void Stream::close() {
  if (closing_ || state_ == State::kFailed || state_ == State::kGone) return;
  pushed_ = plain_.end();
  if (state_ == State::kOpen) {
    // All at once, whatever the room: the lower stream limits how long the peer may take for it.
    while (state_ == State::kOpen && plain_.begin() < pushed_) {
      const uint64_t n = std::min<uint64_t>(pushed_ - plain_.begin(), Records::kMaxPlain);
      if (seal_one(static_cast<uint32_t>(n))) continue;
      if (state_ == State::kOpen) out_of_memory();
    }
    if (state_ != State::kOpen) return;
    if (records_->end() == Records::Sealed::kNoMemory) {
      out_of_memory();
      return;
    }
    send_written();
    if (state_ != State::kOpen) return;
    timer_.disarm();
    record_timer_.disarm();
  } else {
    refuse_handshake();
    if (state_ == State::kGone) return;
    state_ = State::kFailed;
    send_written();
    if (state_ == State::kGone) return;
  }
  closing_ = true;
  if (refused_ == nullptr) lower_->close();
}

void Stream::abort() {
  if (state_ == State::kHandshake && is_client()) {
    ++context_.stats.pod_handshakes_failed;
    if (*failure_ == '\0') failure_ = "no end of the TLS handshake in time";
  }
  leave_handshake();
  state_ = State::kGone;
  timer_.disarm();
  record_timer_.disarm();
  plain_.clear();
  early_.clear();
  lower_->abort();
}

void Stream::fail() {
  if (state_ == State::kFailed || state_ == State::kGone) return;
  state_ = State::kFailed;
  timer_.disarm();
  record_timer_.disarm();
  send_written();
  if (state_ == State::kGone) return;
  plain_.clear();
  early_.clear();
  if (records_ != nullptr) records_->stop();
  if (!std::exchange(closing_, true) && refused_ == nullptr) lower_->close();
  if (!std::exchange(peer_ended_, true)) user_->on_end_of_data(*this, End::kTruncated);
}

void Stream::give_up() {
  if (records_ != nullptr && records_->give_up() != Records::Sealed::kDone) {
    abort();  // a FIN without an alert might pass for an end in order
    return;
  }
  fail();
}

void Stream::out_of_memory() {
  if (state_ == State::kGone) return;
  ++context_.stats.memory_refusals;
  if (is_client()) failure_ = "no packet memory for TLS";
  abort();
}

void Stream::act(Guard guard) {
  const GuardInfo& info = info_of(guard);
  ++(context_.stats.*info.count);
  context_.events.push({info.name, info.what, lower_->peer(), is_client()});
  if (is_client()) {
    failure_ = info.what;
    if (state_ == State::kHandshake) ++context_.stats.pod_handshakes_failed;
  }
  refuse_handshake();
  if (state_ != State::kGone) give_up();
}

void Stream::on_timer() {
  if (state_ == State::kHandshake) {
    act(Guard::kTimeout);
    return;
  }
  on_writable(*lower_);
}

void Stream::watch_record() {
  if (!records_->unfinished()) {
    record_since_ = kNever;
    return;
  }
  const uint64_t completed = records_->completed();
  const bool another = std::exchange(records_before_, completed) != completed;
  if (another || record_since_ == kNever) record_since_ = context_.now;
  const Duration limit = context_.guards.record_timeout;
  if (limit > Duration::zero() && !closing_ && !record_timer_.armed())
    context_.wheel.arm(record_timer_, record_since_ + limit);
}

void Stream::on_record_timer() {
  const Duration limit = context_.guards.record_timeout;
  if (state_ != State::kOpen || peer_ended_ || record_since_ == kNever || limit <= Duration::zero())
    return;
  // The window may be shut, and the peer waits for the user then.
  if (unconsumed_ > 0) record_since_ = context_.now;
  if (context_.now < record_since_ + limit) {
    context_.wheel.arm(record_timer_, record_since_ + limit);
  } else {
    act(Guard::kRecordTimeout);
  }
}

// --- Input ---

void Stream::on_established(transport::Stream&) {
  if (state_ != State::kConnecting) return;
  user_->on_answer(*this);
  begin_handshake(std::make_unique<Handshake>(client_, next_lane()));
  take_step({});
}

void Stream::on_data(transport::Stream&, buf::Slice data) {
  const uint32_t size = data.size();
  held_ += size;
  if (state_ == State::kHandshake) {
    receive_early(std::move(data));
    if (state_ == State::kHandshake) return;
  } else if (state_ == State::kOpen) {
    read(std::move(data));
  }
  if (state_ == State::kFailed || (closing_ && peer_ended_)) {
    discarded_ += size;
    if (discarded_ > kDiscarded) abort();
  }
  if (state_ != State::kGone) credit();
}

// The record layer has taken the received bytes, an incomplete record included. So the lower window
// stays shut for plain bytes that the user has not consumed, less one record at most, and for bytes
// that wait for the handshake.
void Stream::credit() {
  const uint64_t kept = unconsumed_ + early_.size();
  if (held_ <= kept) return;
  const uint64_t n = held_ - kept;
  held_ = kept;
  lower_->consumed(static_cast<uint32_t>(n));
}

void Stream::consumed(uint32_t n) {
  unconsumed_ -= std::min<uint64_t>(n, unconsumed_);
  if (unconsumed_ == 0 && record_since_ != kNever) record_since_ = context_.now;
  if (state_ != State::kGone) credit();
}

void Stream::read(buf::Slice data) {
  const uint32_t before = records_->buffers();
  bool heard = false;  // by the user
  records_->receive(std::move(data));
  while (state_ == State::kOpen && !peer_ended_) {
    buf::Slice plain;
    const Records::Read found = records_->read(plain);
    if (found == Records::Read::kNoMemory) {
      out_of_memory();
      break;
    }
    send_written();  // the answer to a KeyUpdate, or an alert
    if (state_ != State::kOpen) break;
    switch (found) {
      case Records::Read::kMore:
        // The user charges the peer for the buffers of an incomplete record.
        if (!heard && records_->buffers() > before) user_->on_gap(*this);
        watch_record();
        return;
      case Records::Read::kPlain:
        heard = true;
        unconsumed_ += plain.size();
        user_->on_data(*this, std::move(plain));
        break;
      case Records::Read::kEnd:
        peer_ended_ = true;
        user_->on_end_of_data(*this, End::kClean);
        break;
      case Records::Read::kTripped:
        act(watch_.guard());
        break;
      case Records::Read::kBroken:
      case Records::Read::kNoMemory:
        ++context_.stats.broken;
        if (is_client()) failure_ = records_->failure();
        fail();
        break;
    }
  }
  records_->discard();
}

// Bytes that are in no packet buffer.
void Stream::read(buf::View bytes) {
  while (!bytes.empty() && state_ == State::kOpen && !peer_ended_) {
    buf::Slice piece = context_.memory.hold().alloc();
    if (!piece) {
      out_of_memory();
      return;
    }
    const size_t n = std::min<size_t>(bytes.size(), piece.tailroom());
    std::memcpy(piece.mutable_data(), bytes.data(), n);
    piece.grow_back(static_cast<uint32_t>(n));
    bytes = bytes.subspan(n);
    read(std::move(piece));
  }
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
  if (state_ == State::kHandshake) {
    handshake_closed(reason);
  } else {
    leave_handshake();
  }
  state_ = State::kGone;
  early_.clear();
  timer_.disarm();
  record_timer_.disarm();
  user_->on_closed(*this, reason);
}

}  // namespace sluice::tls
