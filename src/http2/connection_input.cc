// The receiving half of http2::Connection: cuts bytes into frames, and hands on DATA.

#include <algorithm>
#include <cstring>

#include "http2/connection.h"

namespace sluice::http2 {

namespace {
constexpr const char* kWrongLength = "content of another length than content-length says";  // 8.1.1
}  // namespace

bool Connection::fail(ErrorCode code, const char* detail) {
  if (failed_) return false;
  ++stats_.connection_errors;
  goaway(last_peer_id_, code, detail);
  failed_ = true;
  error_ = code;
  detail_ = detail;
  return false;
}

bool Connection::receive(buf::Slice data, Time now) {
  now_ = now;
  // A slice that was moved from is empty.
  using State = FrameReader::State;
  while (!failed_ && data.size() > 0) {  // NOLINT(bugprone-use-after-move)
    switch (reader_.state()) {
      case State::kPreface:
        if (!on_preface(data)) return false;
        break;
      case State::kFirstLine:
        if (!on_first_line(data)) return false;
        break;
      case State::kHeader:
        if (reader_.at_first_byte() && !block_.open()) stalls_.unfinished_begins();
        if (!reader_.read_header(data)) break;
        ++stats_.frames_in;
        if (!on_frame_header()) return false;
        break;
      case State::kPayload: {
        // In place when the slice holds the whole payload, else the payload is collected.
        if (reader_.holds_payload(data)) {
          if (!on_frame(reader_.take_payload(data))) return false;
          break;
        }
        const bool ok = !reader_.collect_payload(data) || on_collected_frame();
        if (!settle_partial() || !ok) return false;
        break;
      }
      case State::kData:
        if (reader_.pad_length_due()) {
          if (!on_pad_length(data)) return false;
          break;
        }
        if (!on_data_piece(reader_.read_data(data))) return false;
        break;
      case State::kPadding:
        reader_.skip_padding(data);
        break;
    }
  }
  return !failed_;
}

bool Connection::on_collected_frame() {
  const bool ok = on_frame(reader_.collected_payload());
  reader_.release_collected();
  return ok;
}

bool Connection::settle_partial() {
  const size_t heap = reader_.heap() + block_.heap();
  if (account_ == nullptr || heap == charged_) return true;
  const bool more = heap > charged_;
  account_->charge(0, static_cast<int64_t>(heap) - static_cast<int64_t>(charged_));
  charged_ = heap;
  // A client that has too much may still send one frame, so that its calls go on. A block of many
  // frames ends the connection.
  if (!more || heap <= 2 * size_t{config_.max_frame_size} || !account_->overdrawn()) return true;
  return trip(stats_.guard_heap, "heap", "a field block too large for what the client has left");
}

bool Connection::idle(uint32_t id) const {
  // No side opens streams with even ids: push is switched off.
  return (id & 1) == 0 || id > ids_.latest();
}

bool Connection::on_late_frame(uint32_t id, const FieldList* fields) {
  const bool data = fields == nullptr;
  const bool end = data ? (frame().flags & kFlagEndStream) != 0 : block_.ends_stream();
  if (end && !waiting_resets_.empty()) forget_waiting_reset(id, false);
  const RecentIds::Fate fate = ids_.fate(id);
  if (fate == RecentIds::Fate::kReset) {
    if (end) ids_.ended(id);  // no late frame can follow it
    // HEADERS of a client that are free here can only be trailers, and trailers end the stream.
    return data || end || provoked();
  }
  // A client's DATA without END_STREAM was counted on arrival, as on any stream. A pod's DATA may
  // be in flight for long, on as many streams as clients have cancelled: forgotten ids do not
  // count.
  const bool counts = role_ == Role::kServer ? end : fate != RecentIds::Fate::kForgotten;
  if (data && counts && frame().size < config::kTinyData && !spend(Allowance::kTinyData))
    return false;
  const bool of_client = !data && role_ == Role::kServer;
  // Whatever happened to a forgotten id: a section that begins like a request opens a stream.
  const bool opens = of_client && fields->count() > 0 && (*fields->begin()).name.starts_with(':');
  if (of_client &&
      (fate == RecentIds::Fate::kSkipped || (fate == RecentIds::Fate::kForgotten && opens)))
    return fail(ErrorCode::kProtocolError, "a stream id lower than the one before");  // 5.1.1
  if (fate == RecentIds::Fate::kForgotten) return data || provoked();
  if (of_client) return fail(ErrorCode::kStreamClosed, "HEADERS on a closed stream");
  if (fate == RecentIds::Fate::kResetAndEnded) return provoked();  // its RST_STREAM was sent
  ++stats_.stream_errors;
  emit_rst(id, ErrorCode::kStreamClosed);  // 6.1; a pod's other streams go on
  return !failed_ && provoked();
}

bool Connection::on_frame_header() {
  if (frame().size > config_.max_frame_size) {
    ++stats_.guard_frame_size;
    guard_ = "frame_size";
    return fail(ErrorCode::kFrameSizeError, "frame larger than SETTINGS_MAX_FRAME_SIZE");
  }
  if (!peer_.received && (frame().type != FrameType::kSettings || (frame().flags & kFlagAck) != 0))
    return fail(ErrorCode::kProtocolError, "the first frame is not SETTINGS");
  if (block_.open() &&
      (frame().type != FrameType::kContinuation || frame().stream != block_.stream()))
    return fail(ErrorCode::kProtocolError, "a field block was interrupted");
  if (frame().type == FrameType::kData) return on_data_begin();
  return reader_.expect_payload() || on_frame({});
}

bool Connection::on_frame(buf::View payload) {
  switch (frame().type) {
    case FrameType::kHeaders:
    case FrameType::kContinuation:
      return on_headers_frame(payload);
    case FrameType::kRstStream:
      return on_rst(payload);
    case FrameType::kSettings:
      return on_settings_frame(payload);
    case FrameType::kPing:
      return on_ping_frame(payload);
    case FrameType::kGoaway:
      return on_goaway_frame(payload);
    case FrameType::kWindowUpdate:
      return on_window_update(payload);
    case FrameType::kPushPromise:
      return fail(ErrorCode::kProtocolError, "PUSH_PROMISE, which was switched off");
    case FrameType::kPriority:
      return on_priority(payload);
    case FrameType::kPriorityUpdate:
      return on_priority_update(payload);
    default:
      return spend(Allowance::kUnknownFrames);  // discarded (5.5)
  }
}

// DATA, 6.1. The payload passes on as it arrives. The connection's window counts the whole payload
// at once and is credited at once, so that one stalled stream cannot freeze its neighbours.
bool Connection::on_data_begin() {
  if (frame().stream == 0) return fail(ErrorCode::kProtocolError, "DATA on stream 0");
  if (idle(frame().stream)) return fail(ErrorCode::kProtocolError, "DATA on an idle stream");
  if (!receive_window_.receive(frame().size))
    return fail(ErrorCode::kFlowControlError, "DATA beyond the connection's window");
  if (const uint32_t n = receive_window_.credit(frame().size); n > 0) emit_window_update(0, n);
  if (failed_) return false;

  if (!reader_.expect_data())
    return fail(ErrorCode::kFrameSizeError, "padded DATA without a pad length");
  if (frame().size < config::kTinyData && frame().size > 0 &&
      (frame().flags & kFlagEndStream) == 0 &&
      !spend_on(table_.find(frame().stream), Allowance::kTinyData))
    return false;

  if (Stream* s = table_.find(frame().stream); s != nullptr) {
    if (s->remote_ended_) {
      stream_error(*s, ErrorCode::kStreamClosed, "DATA behind the end of its stream");
    } else if (!(role_ == Role::kServer ? s->request_seen_ : s->response_seen_)) {
      stream_error(*s, ErrorCode::kProtocolError, "DATA before HEADERS");
    } else {
      s->receive_window_ -= frame().size;
      if (s->receive_window_ < 0)
        stream_error(*s, ErrorCode::kFlowControlError, "DATA beyond the stream's window");
    }
  } else if (!on_late_frame(frame().stream, nullptr)) {
    return false;
  }
  if (failed_) return false;
  return reader_.data_left() > 0 || on_data_end();
}

bool Connection::on_pad_length(buf::Slice& data) {
  if (!reader_.read_pad_length(data))
    return fail(ErrorCode::kProtocolError, "padding longer than its frame");
  const uint32_t pad = reader_.padding_left();
  // A message is worth its padding, however short it is: padding hides its length (10.7).
  if (pad > reader_.data_left() && reader_.data_left() < config::kTinyData &&
      !spend_on(table_.find(frame().stream), Allowance::kPadding))
    return false;
  // Padding counts in the stream's window too, and the owner does not credit it (6.1).
  if (Stream* s = table_.find(frame().stream); s != nullptr) consumed(*s, 1 + pad);
  if (failed_) return false;
  return reader_.data_left() > 0 || on_data_end();
}

bool Connection::on_data_piece(buf::Slice piece) {
  Stream* s = table_.find(frame().stream);
  const uint32_t n = piece.size();
  const bool last = reader_.data_left() == 0;
  const bool end = last && (frame().flags & kFlagEndStream) != 0;
  allowance_.received(n);
  if (s != nullptr && s->allowance_ != nullptr) s->allowance_->received(n);
  if (s != nullptr && s->content_left_ >= 0) {
    s->content_left_ -= n;
    if (s->content_left_ < 0 || (end && s->content_left_ != 0)) {
      stream_error(*s, ErrorCode::kProtocolError, kWrongLength);
      s = nullptr;
    }
  }
  if (s != nullptr) {
    if (end) s->remote_ended_ = true;
    if (s->owner_ != nullptr) {
      handler_.on_data(*s, std::move(piece), end);
    } else {
      consumed(*s, n);
    }
    if (end) {
      if ((s = table_.find(frame().stream)) != nullptr) remote_end(*s);
    }
  }
  if (last) reader_.end_data();
  return !failed_;
}

// The end of a frame that had no payload but padding.
bool Connection::on_data_end() {
  reader_.end_data();
  if ((frame().flags & kFlagEndStream) == 0)
    return !failed_ && spend_on(table_.find(frame().stream), Allowance::kEmptyData);
  Stream* s = table_.find(frame().stream);
  if (s == nullptr) return !failed_;
  if (s->content_left_ > 0) {
    stream_error(*s, ErrorCode::kProtocolError, kWrongLength);
    return !failed_;
  }
  s->remote_ended_ = true;
  if (s->owner_ != nullptr) handler_.on_data(*s, {}, true);
  if ((s = table_.find(frame().stream)) != nullptr) remote_end(*s);
  return !failed_;
}

// The handler knows of the end already. No further frame is expected on this stream.
void Connection::remote_end(Stream& s) {
  s.remote_ended_ = true;
  after_output(s);
}

}  // namespace sluice::http2
