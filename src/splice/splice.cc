#include "splice/splice.h"

#include <algorithm>

#include "splice/listener.h"
#include "splice/service.h"

namespace sluice::splice {

using transport::CloseReason;

void Side::on_established(transport::Stream&) {
  splice_.on_established(*this);
}
void Side::on_data(transport::Stream&, buf::Slice data) {
  splice_.on_data(*this, std::move(data));
}
void Side::on_end_of_data(transport::Stream&, transport::End end) {
  splice_.on_end_of_data(*this, end);
}
void Side::on_writable(transport::Stream&) {
  splice_.touch();
}
bool Side::busy(const transport::Stream&) const {
  return splice_.busy();
}
void Side::on_closed(transport::Stream&, CloseReason reason) {
  splice_.on_closed(*this, reason);
}

Splice::Splice(Context& context, Listener& listener, transport::StreamPtr client)
    : context_(context),
      listener_(listener),
      pod_slot_(stats::Access::kNoPod),
      began_(context.now),
      moved_at_(context.now),
      step_timer_([](void* self, Time) { static_cast<Splice*>(self)->on_step_timer(); }, this),
      idle_timer_([](void* self, Time) { static_cast<Splice*>(self)->on_idle_timer(); }, this),
      peer_(client->peer()),
      client_(*this),
      pod_(*this) {
  client_.stream = std::move(client);
  client_.stream->set_user(client_);
  context_.held.push_back(*this);
  ++listener_.stats().connections;
  ++listener_.stats().active_connections;
  ++context_.stats.splice.begun;
  ++context_.stats.splice.open;
  arm_idle();
}

Splice::~Splice() {
  leave_backend();
  --listener_.stats().active_connections;
  --context_.stats.splice.open;
}

bool Splice::busy() const {
  return context_.now - moved_at_ < kBusy;
}

// False: there is no memory.
bool Splice::keep(buf::Queue& queue, buf::Slice data) {
  if (data.size() <= kCopyBreak && queue.append_copy(data.view(), context_.memory.hold()))
    return true;
  buf::Slice kept = context_.memory.retain(std::move(data));
  if (!kept) return false;
  queue.append(std::move(kept));
  return true;
}

void Splice::count(const Side& from, uint32_t bytes) {
  stats::Listener& listener = listener_.stats();
  if (is_client(from)) {
    context_.stats.splice.bytes_to_pods.add(bytes);
    listener.relayed_in.add(bytes);
    if (backend_ != nullptr) backend_->pod().stats().relayed_in.add(bytes);
  } else {
    context_.stats.splice.bytes_to_clients.add(bytes);
    listener.relayed_out.add(bytes);
    if (backend_ != nullptr) backend_->pod().stats().relayed_out.add(bytes);
  }
}

// Bytes that the other side takes at once go there at once. The others wait, and keep the sender's
// window shut.
void Splice::on_data(Side& side, buf::Slice data) {
  const uint32_t n = data.size();
  side.received += n;
  moved_at_ = context_.now;
  Side& to = other(side);
  if (state_ >= State::kResetting || to.closed) {
    side.stream->consumed(n);  // nobody reads it any more
    return;
  }
  const bool direct = state_ == State::kOpen && side.waiting.empty() && to.stream != nullptr &&
                      to.stream->room() >= n;
  if (hello_ != nullptr) hello_->read(data.view());
  if (!keep(direct ? to.stream->output() : side.waiting, std::move(data))) {
    end(End::kMemory);
    return;
  }
  if (direct) {
    to.stream->push();
    count(side, n);
    side.stream->consumed(n);
  } else {
    touch();
  }
  if (hello_ != nullptr) on_hello();
}

void Splice::on_end_of_data(Side& side, transport::End how) {
  moved_at_ = context_.now;
  if (how == transport::End::kTruncated) {
    // Bytes may be missing, and the pod must not take it for a clean end. In a handshake it is the
    // failure, and the stream ends by itself, behind its alert.
    if (state_ != State::kNew && state_ < State::kResetting)
      reset_behind_data(side, End::kTruncated);
    return;
  }
  if (hello_ != nullptr) {
    end(End::kNoHello);
    return;
  }
  side.ended = true;
  touch();
}

void Splice::move(Side& from, Side& to) {
  if (to.stream == nullptr || to.closed) return;
  buf::Queue& output = to.stream->output();
  const uint32_t room = from.waiting.empty() ? 0 : to.stream->room();
  uint32_t moved = 0;
  while (moved < room && !from.waiting.empty()) {
    buf::Slice piece = from.waiting.pop(room - moved);
    moved += piece.size();
    if (piece.size() > kCopyBreak || !output.append_copy(piece.view(), context_.memory.hold()))
      output.append(std::move(piece));
  }
  // Also when nothing moved: only behind push() does the stream say when it has room again.
  if (moved > 0 || !from.waiting.empty()) to.stream->push();
  if (moved > 0) {
    moved_at_ = context_.now;
    count(from, moved);
    if (from.stream != nullptr && state_ == State::kOpen) from.stream->consumed(moved);
  }
  if (from.ended && from.waiting.empty()) {
    to.closed = true;
    to.stream->close();
  }
}

void Splice::flush() {
  if (state_ == State::kOpen) {
    move(client_, pod_);
    move(pod_, client_);
  } else if (state_ == State::kResetting) {
    if (left_->stream == nullptr) return;
    move(other(*left_), *left_);
    finish_reset();
  }
}

void Splice::arm_idle() {
  if (const Duration idle = context_.timeouts.relay_idle; idle > Duration::zero())
    context_.wheel.arm(idle_timer_, moved_at_ + idle);
}

// The timer is not moved with every byte. Bytes that a peer acknowledges show life, too.
void Splice::on_idle_timer() {
  uint64_t acknowledged = 0;
  for (const Side* side : {&client_, &pod_})
    if (side->stream != nullptr) acknowledged += side->stream->acknowledged();
  if (acknowledged != acknowledged_) moved_at_ = context_.now;
  acknowledged_ = acknowledged;
  const Duration idle = context_.timeouts.relay_idle;
  if (idle > Duration::zero() && context_.now - moved_at_ >= idle) {
    end(End::kIdle);
  } else {
    arm_idle();
  }
}

}  // namespace sluice::splice
