// Frames about streams and the connection: RST_STREAM, PRIORITY, SETTINGS, PING, GOAWAY,
// WINDOW_UPDATE.

#include <algorithm>

#include "http2/connection.h"

namespace sluice::http2 {

bool Connection::on_rst(buf::View payload) {
  if (payload.size() != 4) return fail(ErrorCode::kFrameSizeError, "RST_STREAM of a wrong size");
  if (frame().stream == 0 || idle(frame().stream))
    return fail(ErrorCode::kProtocolError, "RST_STREAM on an idle stream");
  ++stats_.resets_in;
  if (role_ == Role::kServer && !spend(Allowance::kResets)) return false;
  Stream* s = table_.find(frame().stream);
  if (s == nullptr) {
    if (!waiting_resets_.empty()) forget_waiting_reset(frame().stream, true);
    return true;
  }
  if (role_ == Role::kServer && !s->head_sent()) {  // once answered, a stream may end in any way
    early_ends_.ended_early(allowance_.completed_streams());
    set_stream_limit();
  }
  detach(*s);
  if (s->owner_ != nullptr)
    handler_.on_reset(*s, reason_of(static_cast<ErrorCode>(load_be32(payload.data()))),
                      EndedBy::kPeer);
  slab_.destroy(s);
  return !failed_;
}

// 6.3. Priorities are deprecated. Only the form of the frame is checked, and that a stream does not
// depend on itself (RFC 7540, 5.3.1).
bool Connection::on_priority(buf::View payload) {
  if (!spend(Allowance::kPriorities)) return false;
  if (frame().stream == 0) return fail(ErrorCode::kProtocolError, "PRIORITY on stream 0");
  ErrorCode error = ErrorCode::kFrameSizeError;
  const char* detail = "PRIORITY of a wrong size";
  if (payload.size() == kPrioritySize) {
    if (dependency(payload.data()) != frame().stream) return true;
    error = ErrorCode::kProtocolError;
    detail = "a stream that depends on itself";
  }
  Stream* s = table_.find(frame().stream);
  // Where RST_STREAM must not be sent, a stream error becomes a connection error.
  if (s == nullptr) return fail(error, detail);
  stream_error(*s, error, detail);
  return !failed_;
}

// RFC 9218, 7.1. Streams take turns here whatever the frame says.
bool Connection::on_priority_update(buf::View payload) {
  if (!spend(Allowance::kPriorities)) return false;
  if (role_ == Role::kClient)
    return fail(ErrorCode::kProtocolError, "PRIORITY_UPDATE from a server");
  if (frame().stream != 0) return fail(ErrorCode::kProtocolError, "PRIORITY_UPDATE on a stream");
  if (payload.size() < 4)
    return fail(ErrorCode::kFrameSizeError, "PRIORITY_UPDATE of a wrong size");
  const uint32_t id = load_be32(payload.data()) & kMaxStreamId;
  if ((id & 1) == 0)
    return fail(ErrorCode::kProtocolError, "PRIORITY_UPDATE for a stream that cannot be");
  return true;
}

bool Connection::on_settings_frame(buf::View payload) {
  if (frame().stream != 0) return fail(ErrorCode::kProtocolError, "SETTINGS on a stream");
  if ((frame().flags & kFlagAck) != 0) {
    if (!payload.empty()) return fail(ErrorCode::kFrameSizeError, "SETTINGS ACK with payload");
    // No rule makes an unexpected ACK an error, and many clients share a pod's connection.
    if (settings_unacknowledged_ == 0) return spend(Allowance::kSettings);
    --settings_unacknowledged_;
    decoder_.set_limit(config_.header_table_size);
    return true;
  }
  if (payload.size() % kSettingSize != 0)
    return fail(ErrorCode::kFrameSizeError, "SETTINGS of a wrong size");
  if (!spend(Allowance::kSettings)) return false;
  if (payload.size() / kSettingSize > guards().settings_entries)
    return trip(stats_.guard_settings, "settings", "too many settings in one frame");
  const uint32_t initial_window = peer_.initial_window;
  if (const auto violation = peer_.apply(payload, role_, encoder_))
    return fail(violation->code, violation->detail);
  ready_.splice_back(limit_blocked_);
  if (initial_window != peer_.initial_window &&
      !move_windows(int64_t{peer_.initial_window} - initial_window))
    return false;
  if (!emit_control(FrameType::kSettings, kFlagAck, 0, {})) return false;
  handler_.on_settings();
  return !failed_;
}

// 6.9.2. Applied once for each frame, since it walks the streams. Windows may become negative.
bool Connection::move_windows(int64_t change) {
  for (Stream* s : unnumbered_) {
    s->send_window_ += change;
    s->send_window_top_ += change;
  }
  for (uint32_t c = 0; c < table_.capacity(); ++c) {
    Stream* s = table_.cell(c);
    if (s == nullptr) continue;
    s->send_window_ += change;
    s->send_window_top_ += change;
    if (s->send_window_ > kMaxWindow)
      return fail(ErrorCode::kFlowControlError, "a stream's window overflows");
    if (s->send_window_ > 0 && !s->data_.empty()) make_ready(*s);
  }
  return true;
}

bool Connection::on_ping_frame(buf::View payload) {
  if (payload.size() != 8) return fail(ErrorCode::kFrameSizeError, "PING of a wrong size");
  if (frame().stream != 0) return fail(ErrorCode::kProtocolError, "PING on a stream");
  if (!spend(Allowance::kPings)) return false;
  if ((frame().flags & kFlagAck) == 0) return emit_control(FrameType::kPing, kFlagAck, 0, payload);
  handler_.on_ping_ack(load_be64(payload.data()));
  return !failed_;
}

bool Connection::on_goaway_frame(buf::View payload) {
  if (payload.size() < 8) return fail(ErrorCode::kFrameSizeError, "GOAWAY of a wrong size");
  if (frame().stream != 0) return fail(ErrorCode::kProtocolError, "GOAWAY on a stream");
  if (!spend(Allowance::kSettings)) return false;
  ++stats_.goaways_in;
  peer_going_away_ = true;
  const auto code = static_cast<ErrorCode>(load_be32(payload.data() + 4));
  handler_.on_goaway(
      {.reason = reason_of(code),
       .code = text_of(code),
       .debug = {reinterpret_cast<const char*>(payload.data()) + 8, payload.size() - 8},
       .last_stream_id = load_be32(payload.data()) & kMaxStreamId});
  return !failed_;
}

// Some pods open their windows by the bytes that their service has read: one byte at a time if a
// client finds a service that reads so. The number of such frames is bounded by the bytes sent.
bool Connection::gives_back(uint32_t n) const {
  if (role_ == Role::kServer) return false;
  if (frame().stream == 0) return send_window_.gives_back(n);
  if (const Stream* s = table_.find(frame().stream); s != nullptr)
    return s->send_window_ + n <= peer_.initial_window;
  const RecentIds::Fate fate = ids_.fate(frame().stream);
  return fate == RecentIds::Fate::kReset || fate == RecentIds::Fate::kForgotten;
}

bool Connection::on_window_update(buf::View payload) {
  if (payload.size() != 4) return fail(ErrorCode::kFrameSizeError, "WINDOW_UPDATE of a wrong size");
  const uint32_t n = load_be32(payload.data()) & kMaxStreamId;
  if (frame().stream != 0 && idle(frame().stream))
    return fail(ErrorCode::kProtocolError, "WINDOW_UPDATE on an idle stream");
  if (!gives_back(n) && !spend(Allowance::kWindowUpdates)) return false;
  if (frame().stream == 0) {
    if (n == 0) return fail(ErrorCode::kProtocolError, "WINDOW_UPDATE of nothing");
    if (!send_window_.open(n))
      return fail(ErrorCode::kFlowControlError, "the connection's window overflows");
    if (send_window_.left() > 0) ready_.splice_back(window_blocked_);
    on_credit();
    return true;
  }
  Stream* s = table_.find(frame().stream);
  if (s == nullptr) return true;
  if (n == 0) {
    stream_error(*s, ErrorCode::kProtocolError, "WINDOW_UPDATE of nothing");
    return !failed_;
  }
  s->send_window_ += n;
  s->send_window_top_ = std::max(s->send_window_top_, s->send_window_);
  if (s->share_ != nullptr) on_share_change(*s);
  if (s->send_window_ > kMaxWindow) {
    stream_error(*s, ErrorCode::kFlowControlError, "a stream's window overflows");
  } else if (s->send_window_ > 0 && !s->data_.empty()) {
    make_ready(*s);
  }
  return !failed_;
}

}  // namespace sluice::http2
