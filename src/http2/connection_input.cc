// The receiving half of http2::Connection: from bytes to frames, and DATA to its events.

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
  bool begins = false;  // the frame whose payload follows came with its header just now
  // A slice that was moved from is empty.
  while (!failed_ && data.size() > 0) {  // NOLINT(bugprone-use-after-move)
    switch (state_) {
      case State::kPreface:
        if (!on_preface(data)) return false;
        break;
      case State::kFirstLine:
        if (!on_first_line(data)) return false;
        break;
      case State::kFrameHeader: {
        const uint32_t n = std::min(data.size(), kFrameHeaderSize - have_);
        begins = have_ == 0;
        if (begins && data.size() <= kFrameHeaderSize) begin_partial();
        std::memcpy(head_ + have_, data.data(), n);
        have_ += n;
        data.drop_front(n);
        if (have_ < kFrameHeaderSize) break;
        have_ = 0;
        frame_ = FrameHeader::parse(head_);
        ++stats_.frames_in;
        if (!on_frame_header()) return false;
        break;
      }
      case State::kPayload: {
        // In place when the slice holds the whole payload, else collected.
        if (partial_.empty() && data.size() >= frame_.size) {
          state_ = State::kFrameHeader;
          const buf::View payload = data.view().first(frame_.size);
          if (!on_frame(payload)) return false;
          data.drop_front(frame_.size);
          break;
        }
        const auto n =
            std::min<uint32_t>(data.size(), frame_.size - static_cast<uint32_t>(partial_.size()));
        if (begins) begin_partial();
        partial_.insert(partial_.end(), data.data(), data.data() + n);
        data.drop_front(n);
        if (partial_.size() < frame_.size) {
          if (!settle_partial()) return false;
          break;
        }
        state_ = State::kFrameHeader;
        const bool ok = on_frame(partial_);
        partial_.clear();
        partial_.shrink_to_fit();  // an idle connection keeps no buffer
        if (!settle_partial() || !ok) return false;
        break;
      }
      case State::kData: {
        if (padded_) {
          padded_ = false;
          const uint8_t pad = data.data()[0];
          data.drop_front(1);
          if (pad > data_left_ - 1)
            return fail(ErrorCode::kProtocolError, "padding longer than its frame");
          data_left_ -= 1u + pad;
          padding_left_ = pad;
          // A message is worth its padding, however short: padding hides how short (10.7).
          if (pad > data_left_ && data_left_ < config::kTinyData &&
              !spend_on(table_.find(frame_.stream), Allowance::kPadding))
            return false;
          // Padding counts in the stream's window too, and nobody else will give it back (6.1).
          if (Stream* s = table_.find(frame_.stream); s != nullptr) consumed(*s, 1u + pad);
          if (failed_) return false;
          if (data_left_ == 0 && !on_data_end()) return false;
          break;
        }
        const uint32_t n = std::min(data.size(), data_left_);
        buf::Slice piece = n == data.size() ? std::move(data) : data.split_front(n);
        data_left_ -= n;
        if (!on_data_piece(std::move(piece))) return false;
        break;
      }
      case State::kPadding: {
        const uint32_t n = std::min(data.size(), padding_left_);
        data.drop_front(n);
        padding_left_ -= n;
        if (padding_left_ == 0) state_ = State::kFrameHeader;
        break;
      }
    }
  }
  return !failed_;
}

bool Connection::settle_partial() {
  const size_t heap = partial_.capacity() + block_.capacity();
  if (account_ == nullptr || heap == charged_) return true;
  const bool more = heap > charged_;
  account_->charge(0, static_cast<int64_t>(heap) - static_cast<int64_t>(charged_));
  charged_ = heap;
  // One frame is borne from whoever has too much, so that its calls go on; a block of many is not.
  if (!more || heap <= 2 * size_t{config_.max_frame_size} || !account_->overdrawn()) return true;
  return trip(stats_.guard_heap, "heap", "a field block too large for what the client has left");
}

bool Connection::idle(uint32_t id) const {
  // Nobody opens even ones: push is switched off.
  return (id & 1) == 0 || id > ids_.latest();
}

bool Connection::on_late_frame(uint32_t id, const FieldList* fields) {
  const bool data = fields == nullptr;
  const bool end = data ? (frame_.flags & kFlagEndStream) != 0 : block_end_stream_;
  if (end && !waiting_resets_.empty()) forget_waiting_reset(id, false);
  const RecentIds::Fate fate = ids_.fate(id);
  if (fate == RecentIds::Fate::kReset) {
    if (end) ids_.ended(id);  // nothing that follows can have crossed
    // Of a client's HEADERS only trailers can, which end the stream.
    return data || end || provoked();
  }
  // A client's without END_STREAM is counted as on any stream. A pod's may be long under way, on as
  // many streams as clients have taken back.
  const bool counts = role_ == Role::kServer ? end : fate != RecentIds::Fate::kForgotten;
  if (data && counts && frame_.size < config::kTinyData && !spend(Allowance::kTinyData))
    return false;
  const bool of_client = !data && role_ == Role::kServer;
  // Whatever became of an id that is forgotten: what begins like a request opens a stream.
  const bool opens = of_client && fields->count() > 0 && (*fields->begin()).name.starts_with(':');
  if (of_client &&
      (fate == RecentIds::Fate::kSkipped || (fate == RecentIds::Fate::kForgotten && opens)))
    return fail(ErrorCode::kProtocolError, "a stream id lower than the one before");  // 5.1.1
  if (fate == RecentIds::Fate::kForgotten) return data || provoked();
  if (of_client) return fail(ErrorCode::kStreamClosed, "HEADERS on a closed stream");
  if (fate == RecentIds::Fate::kResetAndEnded) return provoked();  // it has its RST_STREAM
  ++stats_.stream_errors;
  emit_rst(id, ErrorCode::kStreamClosed);  // 6.1; a pod's other streams are not to blame
  return !failed_ && provoked();
}

bool Connection::on_frame_header() {
  if (frame_.size > config_.max_frame_size) {
    ++stats_.guard_frame_size;
    guard_ = "frame_size";
    return fail(ErrorCode::kFrameSizeError, "frame larger than SETTINGS_MAX_FRAME_SIZE");
  }
  if (!settings_received_ &&
      (frame_.type != FrameType::kSettings || (frame_.flags & kFlagAck) != 0))
    return fail(ErrorCode::kProtocolError, "the first frame is not SETTINGS");
  if (in_block_ && (frame_.type != FrameType::kContinuation || frame_.stream != block_stream_))
    return fail(ErrorCode::kProtocolError, "a field block was interrupted");
  if (frame_.type == FrameType::kData) return on_data_begin();
  state_ = State::kPayload;
  if (frame_.size == 0) {
    state_ = State::kFrameHeader;
    return on_frame({});
  }
  return true;
}

bool Connection::on_frame(buf::View payload) {
  switch (frame_.type) {
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

// DATA, 6.1. The payload passes on as it arrives; the connection's window counts all of it at once,
// and is credited at once, so that one stalled stream cannot freeze its neighbours.
bool Connection::on_data_begin() {
  if (frame_.stream == 0) return fail(ErrorCode::kProtocolError, "DATA on stream 0");
  if (idle(frame_.stream)) return fail(ErrorCode::kProtocolError, "DATA on an idle stream");
  receive_window_ -= frame_.size;
  if (receive_window_ < 0)
    return fail(ErrorCode::kFlowControlError, "DATA beyond the connection's window");
  credit_connection(frame_.size);
  if (failed_) return false;

  data_left_ = frame_.size;
  padding_left_ = 0;
  padded_ = (frame_.flags & kFlagPadded) != 0;
  if (padded_ && frame_.size == 0)
    return fail(ErrorCode::kFrameSizeError, "padded DATA without a pad length");
  if (frame_.size < config::kTinyData && frame_.size > 0 && (frame_.flags & kFlagEndStream) == 0 &&
      !spend_on(table_.find(frame_.stream), Allowance::kTinyData))
    return false;

  if (Stream* s = table_.find(frame_.stream); s != nullptr) {
    if (s->remote_ended_) {
      stream_error(*s, ErrorCode::kStreamClosed, "DATA behind the end of its stream");
    } else if (!(role_ == Role::kServer ? s->request_seen_ : s->response_seen_)) {
      stream_error(*s, ErrorCode::kProtocolError, "DATA before HEADERS");
    } else {
      s->receive_window_ -= frame_.size;
      if (s->receive_window_ < 0)
        stream_error(*s, ErrorCode::kFlowControlError, "DATA beyond the stream's window");
    }
  } else if (!on_late_frame(frame_.stream, nullptr)) {
    return false;
  }
  if (failed_) return false;
  state_ = State::kData;
  return data_left_ > 0 || on_data_end();
}

bool Connection::on_data_piece(buf::Slice piece) {
  Stream* s = table_.find(frame_.stream);
  const uint32_t n = piece.size();
  const bool last = data_left_ == 0;
  const bool end = last && (frame_.flags & kFlagEndStream) != 0;
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
      if ((s = table_.find(frame_.stream)) != nullptr) remote_end(*s);
    }
  }
  if (last) state_ = padding_left_ > 0 ? State::kPadding : State::kFrameHeader;
  return !failed_;
}

// The end of a frame that had no payload but padding.
bool Connection::on_data_end() {
  state_ = padding_left_ > 0 ? State::kPadding : State::kFrameHeader;
  if ((frame_.flags & kFlagEndStream) == 0)
    return !failed_ && spend_on(table_.find(frame_.stream), Allowance::kEmptyData);
  Stream* s = table_.find(frame_.stream);
  if (s == nullptr) return !failed_;
  if (s->content_left_ > 0) {
    stream_error(*s, ErrorCode::kProtocolError, kWrongLength);
    return !failed_;
  }
  s->remote_ended_ = true;
  if (s->owner_ != nullptr) handler_.on_data(*s, {}, true);
  if ((s = table_.find(frame_.stream)) != nullptr) remote_end(*s);
  return !failed_;
}

// The handler knows of the end already; nothing more will be heard on this stream.
void Connection::remote_end(Stream& s) {
  s.remote_ended_ = true;
  after_output(s);
}

}  // namespace sluice::http2
