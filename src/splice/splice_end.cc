// The end of a splice: by a side, by a timer, or by Sluice; and its line in the access log.

#include <algorithm>

#include "splice/listener.h"
#include "splice/splice.h"

namespace sluice::splice {

using transport::CloseReason;

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
