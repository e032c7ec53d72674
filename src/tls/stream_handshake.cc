// The handshake of a Stream: its steps here or at a helper thread, and its end.

#include <array>

#include <openssl/ssl.h>

#include "tls/context.h"
#include "tls/keep.h"
#include "tls/openssl_records.h"
#include "tls/own_records.h"
#include "tls/stream.h"

namespace sluice::tls {

void Stream::begin_handshake(std::unique_ptr<Handshake> handshake) {
  handshake_ = std::move(handshake);
  if (!context_.own_records) handshake_->keep_openssl();
  state_ = State::kHandshake;
  ++context_.stats.handshaking;
}

// Bytes wait here while a helper has the handshake, and keep the window below shut: so TCP's window
// bounds them. Behind its Finished a client may send as much as the window takes (RFC 8446, 4.4.4).
void Stream::receive_early(buf::Slice data) {
  if (away_ == nullptr) {
    take_step(data.view());
    return;
  }
  // Before Sluice has answered, a client can send nothing but its ClientHello.
  const bool answered = lower_->output().end() > 0;
  if (!answered && early_.size() + data.size() > context_.guards.handshake_size) {
    act(Guard::kSize);
    return;
  }
  const bool kept = early_.slices() < kMostEarlyBuffers
                        ? keep(std::move(data), early_, context_.memory)
                        : early_.append_copy(data.view(), context_.memory.hold());
  if (kept) {
    user_->on_gap(*this);
  } else {
    out_of_memory();
  }
}

// The handshake gets no more of the waiting bytes than its guard allows. The others go on waiting:
// they may be behind its end.
void Stream::feed_early() {
  uint32_t left = context_.guards.handshake_size + 1 - before_open_;
  while (left > 0 && !early_.empty()) {
    const buf::Slice piece = early_.pop(left);
    handshake_->add_input(piece.view());
    before_open_ += piece.size();
    left -= piece.size();
  }
}

void Stream::take_step(buf::View data) {
  handshake_->add_input(data);
  const bool first = before_open_ == 0;
  before_open_ += static_cast<uint32_t>(data.size());
  HandshakeQueue* queue = context_.handshakes;
  if (queue == nullptr) {
    credit();
    handshake_->step();
    after_step();
    return;
  }
  away_ = handshake_.get();
  away_->stream = this;
  // Clients do not take a pod's place: without pods no client is answered.
  const bool one_more =
      first && !is_client() && queue->away() >= context_.guards.waiting_handshakes;
  if (one_more || !queue->submit(handshake_)) {
    away_ = nullptr;
    act(Guard::kWaiting);
    return;
  }
  context_.stats.handshakes_away.set(queue->away());
  credit();
}

void Stream::on_returned(std::unique_ptr<Handshake> handshake) {
  if (handshake.get() == refused_) {
    refused_ = nullptr;
    end_refused(*handshake);
    return;
  }
  handshake_ = std::move(handshake);
  away_ = nullptr;
  after_step();
  if (state_ != State::kHandshake || away_ != nullptr) return;
  if (!early_.empty()) {
    feed_early();
    take_step({});
  } else if (ended_early_) {
    on_end_of_data(*lower_, transport::End::kClean);
  }
}

void Stream::after_step() {
  handshake_->count(context_.stats);
  if (!lower_->output().append_copy(handshake_->take_output(), context_.memory.hold())) {
    out_of_memory();
    return;
  }
  switch (handshake_->state()) {
    case Handshake::State::kDone:
      established();
      return;
    case Handshake::State::kFailed:
      failure_ = handshake_->failure();
      leave_handshake();
      fail();
      return;
    case Handshake::State::kUnderWay:
      break;
  }
  if (before_open_ > context_.guards.handshake_size) {
    act(Guard::kSize);
  } else if (handshake_->received() > context_.guards.handshake_records) {
    act(Guard::kRecords);
  } else {
    send_written();
  }
}

void Stream::established() {
  Handshake::Result result = handshake_->take_result();
  make_records(result);
  alpn_ = result.alpn;
  version_ = result.version;
  server_name_ = std::move(result.server_name);
  peer_certificate_ = std::move(result.peer_certificate);
  chosen_ = result.chosen;
  leave_handshake();
  state_ = State::kOpen;
  send_written();  // our Finished, and the tickets
  if (state_ != State::kOpen) return;
  user_->on_established(*this);
  on_writable(*lower_);  // for the bytes that waited for the handshake
  read(buf::View(result.unread));
  while (!early_.empty() && state_ == State::kOpen && !peer_ended_) read(early_.pop(UINT32_MAX));
  early_.clear();
  if (state_ == State::kGone) return;
  credit();
  if (ended_early_) on_end_of_data(*lower_, transport::End::kClean);
}

void Stream::make_records(Handshake::Result& result) {
  if (result.keys) {
    records_ = std::make_unique<OwnRecords>(std::move(*result.keys), is_client(), watch_,
                                            context_.memory, lower_->output());
  } else {
    records_ =
        std::make_unique<OpensslRecords>(std::move(result.ssl), is_client(), watch_,
                                         context_.memory, lower_->output(), context_.scratch);
  }
}

void Stream::handshake_closed(transport::CloseReason how) {
  if (!is_client()) {
    ++context_.stats.failed_closed;
  } else if (*failure_ == '\0') {
    ++context_.stats.pod_handshakes_failed;
    failure_ = how == transport::CloseReason::kReset
                   ? "the pod reset the connection in the TLS handshake"
                   : "the pod closed the connection in the TLS handshake";
  }
  leave_handshake();
}

void Stream::refuse_handshake() {
  if (state_ != State::kHandshake) return;
  if (!is_client() && lower_->output().end() == 0) {
    // A server's first record needs no key.
    constexpr std::array<uint8_t, 7> kAlert{SSL3_RT_ALERT,        3, 3, 0, 2, SSL3_AL_FATAL,
                                            SSL_AD_INTERNAL_ERROR};
    const bool written = lower_->output().append_copy(kAlert, context_.memory.hold());
    if (written) {
      watch_.sent();
      watch_.alert_sent();
    }
    leave_handshake();
    if (!written) lose_handshake();
  } else if (away_ != nullptr) {
    away_->abandoned.store(true, std::memory_order_relaxed);
    Handshake* const refused = std::exchange(away_, nullptr);
    leave_handshake();
    refused_ = refused;
  } else {
    handshake_->refuse();
    handshake_->count(context_.stats);
    const bool written =
        lower_->output().append_copy(handshake_->take_output(), context_.memory.hold());
    leave_handshake();
    if (!written) lose_handshake();
  }
}

// The guard has counted the handshake, which out_of_memory() is not to count again.
void Stream::lose_handshake() {
  state_ = State::kFailed;
  out_of_memory();
}

void Stream::end_refused(Handshake& handshake) {
  handshake.refuse();
  handshake.count(context_.stats);
  bool written = lower_->output().append_copy(handshake.take_output(), context_.memory.hold());
  if (written && handshake.state() == Handshake::State::kDone) {
    Handshake::Result result = handshake.take_result();
    make_records(result);
    written = records_->give_up() == Records::Sealed::kDone;
  }
  if (!written) {
    out_of_memory();
    return;
  }
  send_written();
  if (state_ != State::kGone) lower_->close();
}

void Stream::leave_handshake() {
  if (refused_ != nullptr) std::exchange(refused_, nullptr)->stream = nullptr;
  if (state_ != State::kHandshake) return;
  --context_.stats.handshaking;
  timer_.disarm();
  if (away_ != nullptr) {
    away_->abandoned.store(true, std::memory_order_relaxed);
    away_->stream = nullptr;
    away_ = nullptr;
  }
  handshake_.reset();
}

// Old connections keep the contexts of their handshake, so their answers do not change.
transport::Stream::Authority Stream::authority_for(std::string_view host) const {
  const std::optional<size_t> own = contexts_->choose(host);
  if (!own) return Authority::kNone;
  return contexts_->serves(chosen_, *own) ? Authority::kThis : Authority::kAnother;
}

}  // namespace sluice::tls
