#include "splice/splice.h"

#include <algorithm>

#include "splice/listener.h"
#include "splice/proxy_header.h"
#include "splice/service.h"

namespace sluice::splice {

using transport::CloseReason;

namespace {

// RFC 8446, 6.2.
constexpr uint8_t kDecodeError = 50;
constexpr uint8_t kUnrecognizedName = 112;

std::string lower(std::string_view name) {
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

}  // namespace

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

void Splice::read_hello() {
  hello_ = std::make_unique<tls::HelloReader>(context_.guards.handshake_size);
  if (const Duration limit = context_.guards.handshake_timeout; limit > Duration::zero())
    context_.wheel.arm(step_timer_, context_.now + limit);
}

// hello_ has read all bytes so far.
void Splice::on_hello() {
  using State = tls::HelloReader::State;
  const State state = hello_->state();
  if (state == State::kMore) return;
  step_timer_.disarm();
  const std::unique_ptr<tls::HelloReader> hello = std::move(hello_);
  switch (state) {
    case State::kMore:
      break;
    case State::kWhole:
      choose(hello->server_name());
      break;
    case State::kNotTls:
      end(End::kNoHello);
      break;
    case State::kBroken:
      refuse(kDecodeError, End::kNoHello);
      break;
    case State::kTooLong:
      context_.stats.events.push({"hello_size", "sent a ClientHello that is too long", peer_});
      end(End::kHelloSize);
      break;
  }
}

void Splice::choose(std::string_view server_name) {
  server_name_ = server_name;
  tls_ = client_.stream->security();
  service_ = listener_.routes().find(server_name);
  if (service_ == nullptr) {
    refuse(kUnrecognizedName, End::kUnknownName);
    return;
  }
  service_slot_ = service_->slot();
  state_ = State::kConnecting;
  if (!service_->has_pods()) {
    end(End::kNoPod);
  } else if (!try_next_pod()) {
    end(End::kUnreachable);
  }
}

// A fatal alert in a record of cleartext, as before a handshake; then FIN.
void Splice::refuse(uint8_t alert, End why) {
  const std::array<uint8_t, 7> record{21, 3, 3, 0, 2, 2, alert};
  const bool cleartext = *client_.stream->security() == 0;
  if (!cleartext || !client_.stream->output().append_copy(record, context_.memory.hold())) {
    end(why);
    return;
  }
  note_end(why);
  state_ = State::kRefused;
  client_.stream->consumed(static_cast<uint32_t>(client_.waiting.size()));
  client_.waiting.clear();
  client_.stream->push();
  client_.stream->close();
  context_.wheel.arm(step_timer_, context_.now + kLastWords);
}

// False: there is no pod that has not been tried, or there were enough.
bool Splice::try_next_pod() {
  const size_t most = std::min<size_t>(context_.limits.transparent_retries + size_t{1}, kMostTries);
  while (tries_ < most) {
    Backend* backend = service_->pick(std::span(tried_).first(tries_));
    if (backend == nullptr) return false;
    if (tries_ > 0) ++context_.stats.splice.connect_retries;
    tried_.at(tries_++) = pod_slot_ = backend->pod().slot();
    backend->begin();
    pod_.stream = context_.plain.connect(backend->pod().address(), pod_, context_.now);
    if (pod_.stream != nullptr) {
      backend_ = backend;
      context_.wheel.arm(step_timer_, context_.now + service_->config().connect_timeout);
      return true;
    }
    // No route, source port or place for a connection: not the pod's fault.
    ++backend->pod().stats().connect_failures;
    service_->give_back(*backend);
  }
  return false;
}

// No byte of the client has gone to the pod.
void Splice::on_connect_failed(const char* why) {
  step_timer_.disarm();
  service_->on_connect_failed(*backend_, why);
  leave_backend();
  if (!try_next_pod()) end(End::kUnreachable);
}

void Splice::leave_backend() {
  if (backend_ == nullptr) return;
  service_->give_back(*backend_);
  backend_ = nullptr;
}

void Splice::on_established(Side& side) {
  if (is_client(side)) {  // the handshake of TLS is done
    if (state_ == State::kNew) choose(lower(side.stream->server_name()));
    return;
  }
  if (state_ != State::kConnecting) return;
  step_timer_.disarm();
  backend_->on_connected();
  state_ = State::kOpen;
  connected_at_ = moved_at_ = context_.now;
  client_.stream->set_patient();
  pod_.stream->set_patient();
  if (!say_who_it_is()) {
    end(End::kMemory);
    return;
  }
  touch();
}

// The pod sees an address of Sluice's own as the peer. The header comes before the first byte.
// False: there is no memory.
bool Splice::say_who_it_is() {
  if (service_->config().proxy_protocol == config::ProxyProtocol::kNone) return true;
  const ProxyHeader header(peer_, listener_.address());
  if (!pod_.stream->output().append_copy(header.view(), context_.memory.hold())) return false;
  pod_.stream->push();
  return true;
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

void Splice::end(End why) {
  if (state_ == State::kEnded) return;
  note_end(why);
  state_ = State::kEnded;
  step_timer_.disarm();
  for (Side* side : {&client_, &pod_}) {
    side->waiting.clear();
    if (side->stream != nullptr) side->stream->abort();  // on_closed follows
  }
}

// As with a direct connection, bytes that were sent before the reset may still be read.
void Splice::reset_behind_data(Side& gone, End why) {
  note_end(why);
  Side& left = other(gone);
  if (left.stream == nullptr || state_ != State::kOpen) {
    end(why);
    return;
  }
  state_ = State::kResetting;
  left_ = &left;
  gone.ended = false;  // no FIN follows
  left.waiting.clear();
  if (gone.stream != nullptr) gone.stream->close();  // behind the alert of a TLS stream
  reset_at_ = context_.now + kLastBytes;
  touch();
}

void Splice::finish_reset() {
  transport::Stream& left = *left_->stream;
  const bool taken = other(*left_).waiting.empty() && left.acknowledged() >= left.output().end();
  if (taken || context_.now >= reset_at_) {
    left.abort();
    state_ = State::kEnded;
    client_.waiting.clear();
    pod_.waiting.clear();
    step_timer_.disarm();
    if (other(*left_).stream != nullptr) context_.wheel.arm(step_timer_, context_.now + kLastWords);
    return;
  }
  const Duration look = std::clamp<Duration>(left.round_trip() / 2, 1ms, 50ms);
  context_.wheel.arm(step_timer_, context_.now + look);
}

void Splice::on_closed(Side& side, CloseReason reason) {
  const bool client = is_client(side);
  side.stream.reset();
  if (!client && state_ == State::kConnecting) {
    const char* why = reason == CloseReason::kReset         ? "the pod refuses connections"
                      : reason == CloseReason::kUnreachable ? "the pod is unreachable"
                                                            : "the connect timed out";
    on_connect_failed(why);
  } else {
    if (!client) leave_backend();
    // The stream of a failed handshake ends by itself.
    if (state_ == State::kNew && hello_ == nullptr) end(End::kHandshake);
    switch (reason) {
      case CloseReason::kFinished:
        break;
      case CloseReason::kReset:
        if (state_ < State::kResetting)
          reset_behind_data(side, client ? End::kClientReset : End::kPodReset);
        break;
      case CloseReason::kTimeout:
      case CloseReason::kUnreachable:
      case CloseReason::kNotTaken:
        if (state_ < State::kResetting)
          reset_behind_data(side, client ? End::kClientLost : End::kPodLost);
        break;
      case CloseReason::kAborted:  // by end(), or by TCP for want of room
        if (state_ < State::kResetting) end(End::kMemory);
        break;
    }
  }
  if (client_.stream != nullptr || pod_.stream != nullptr) return;
  note_end(End::kFinished);
  if (stats::Counter* counter = counter_of(end_, context_.stats.splice)) ++*counter;
  note_access();
  context_.splices.destroy(this);
}

void Splice::on_step_timer() {
  if (state_ == State::kConnecting && pod_.stream != nullptr) {
    pod_.stream->abort();  // on_closed goes on with another pod
  } else if (state_ == State::kResetting) {
    touch();
  } else if (state_ == State::kRefused) {
    end(end_);
  } else if (state_ == State::kEnded) {
    for (Side* side : {&client_, &pod_})
      if (side->stream != nullptr) side->stream->abort();
  } else if (hello_ != nullptr) {
    context_.stats.events.push({"hello_timeout", "sent no whole ClientHello in time", peer_});
    end(End::kHelloTimeout);
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

void Splice::note_access() {
  const bool failed = end_ != End::kFinished;
  config::AccessLog& log = context_.access_log;
  if (!(failed && log.failures)) {
    if (log.one_in == 0 || ++context_.since_access_sample < log.one_in) return;
    context_.since_access_sample = 0;
  }
  stats::Access a;
  a.arrived = began_;
  a.duration = context_.now - began_;
  if (connected_at_ != Time{}) a.first_byte = connected_at_ - began_;
  a.client = peer_;
  a.listener = listener_.slot();
  a.service = service_slot_;
  a.pod = pod_slot_;
  a.tries = tries_;
  a.result = failed ? stats::Result::kIncomplete : stats::Result::k2xx;
  a.request_bytes = client_.received;
  a.answer_bytes = pod_.received;
  a.protocol = "TCP";
  a.tls = tls_;
  a.set(stats::Access::Text::kServerName, server_name_);
  a.end = text_of(end_);
  context_.stats.access().push(a);
}

}  // namespace sluice::splice
