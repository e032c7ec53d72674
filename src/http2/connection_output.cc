// The sending half of http2::Connection: which frames are made, and when.

#include <algorithm>

#include "http2/connection.h"

namespace sluice::http2 {

// Returns the address of the header; nullptr without memory.
uint8_t* Connection::emit_copy(const FrameHeader& header, buf::View payload) {
  const size_t n = kFrameHeaderSize + payload.size();
  const bool together = n <= buf::Queue::kMaxContiguous;
  uint8_t* p =
      output_.append_space(together ? static_cast<uint32_t>(n) : kFrameHeaderSize, memory_.hold());
  if (p == nullptr) return nullptr;
  header.emit(p);
  if (together) {
    if (!payload.empty()) std::memcpy(p + kFrameHeaderSize, payload.data(), payload.size());
  } else if (!output_.append_copy(payload, memory_.hold())) {
    return nullptr;
  }
  ++stats_.frames_out;
  return p;
}

// Without a buffer the connection cannot keep its promises, and half a frame may be in the output.
// So the connection has to end.
bool Connection::out_of_buffers(const char* detail) {
  failed_ = true;
  error_ = ErrorCode::kInternalError;
  detail_ = detail;
  return false;
}

bool Connection::emit(FrameType type, uint8_t flags, uint32_t stream, buf::View payload) {
  return emit_copy({static_cast<uint32_t>(payload.size()), type, flags, stream}, payload) !=
             nullptr ||
         out_of_buffers("no memory for a control frame");
}

// A frame that the peer provoked. The peer may provoke any number, as long as it reads them.
bool Connection::emit_control(FrameType type, uint8_t flags, uint32_t stream, buf::View payload) {
  if (!unread_answers_.add(static_cast<uint32_t>(kFrameHeaderSize + payload.size()),
                           stream_.acknowledged(), guards().unread_answers))
    return trip(stats_.guard_unread_answers, "unread_answers", "answers pile up unread");
  if (!emit(type, flags, stream, payload)) return false;
  unread_answers_.appended(output_.end());
  return true;
}

void Connection::emit_rst(uint32_t stream, ErrorCode code, bool ended) {
  ids_.reset(stream);
  if (role_ == Role::kServer || (waiting_resets_.empty() && handler_.may_reset())) {
    write_rst(stream, code);
  } else {
    ++stats_.resets_put_off;
    waiting_resets_.add(stream, code, ended);
  }
}

void Connection::write_rst(uint32_t stream, ErrorCode code) {
  uint8_t payload[4];
  store_be32(payload, static_cast<uint32_t>(code));
  ++stats_.resets_out;
  emit_control(FrameType::kRstStream, 0, stream, payload);
}

void Connection::release_resets() {
  const bool sent =
      waiting_resets_.release([this] { return !failed_ && handler_.may_reset(); },
                              [this](uint32_t stream, ErrorCode code) { write_rst(stream, code); });
  if (sent) ready_.splice_back(limit_blocked_);
}

void Connection::forget_waiting_reset(uint32_t stream, bool wholly) {
  if (waiting_resets_.ended_by_peer(stream, wholly)) ready_.splice_back(limit_blocked_);
}

void Connection::emit_window_update(uint32_t stream, uint32_t n) {
  uint8_t payload[4];
  store_be32(payload, n);
  emit_control(FrameType::kWindowUpdate, 0, stream, payload);
}

bool Connection::emit_headers(Stream& s, const FieldList& fields, bool end) {
  if (s.id_ == 0) {
    s.id_ = next_id_;
    next_id_ += 2;
    ids_.use(s.id_);
    unnumbered_.remove(s);
    table_.insert(s);
  }
  if (!s.head_sent()) s.head_position_ = output_.end();
  // Usually one frame. A long block continues in CONTINUATION frames (6.10).
  buf::View rest = encoder_.encode(fields);
  FrameType type = FrameType::kHeaders;
  do {
    constexpr size_t kPiece = kDefaultMaxFrameSize;
    const buf::View piece = rest.first(std::min(rest.size(), kPiece));
    rest = rest.subspan(piece.size());
    uint8_t flags = rest.empty() ? kFlagEndHeaders : uint8_t{0};
    if (type == FrameType::kHeaders && end) flags |= kFlagEndStream;
    if (emit_copy({static_cast<uint32_t>(piece.size()), type, flags, s.id_}, piece) == nullptr)
      return out_of_buffers("no memory for a field block");
    room_ -= static_cast<int64_t>(kFrameHeaderSize + piece.size());
    type = FrameType::kContinuation;
  } while (!rest.empty());
  if (end) {
    s.end_sent_ = true;
    if (s.share_ != nullptr) on_share_change(s);
  }
  allowance_.sent();
  if (s.allowance_ != nullptr) s.allowance_->sent();
  return true;
}

// Frames the whole piece as DATA. The piece fits the windows and the peer's frame size.
bool Connection::frame_data(Stream& s, buf::Slice piece, bool end) {
  const uint32_t n = piece.size();
  const bool copy = n <= config_.copy_break;
  bool ok = true;
  if (open_frame_.lengthen(s.id_, n, end, output_.end())) {
    if (copy) ok = output_.append_copy(piece.view(), memory_.hold());
  } else {
    uint8_t* p = emit_copy({n, FrameType::kData, end ? kFlagEndStream : uint8_t{0}, s.id_},
                           copy ? piece.view() : buf::View());
    ok = p != nullptr;
    open_frame_.begin(p, s.id_, n);
    room_ -= kFrameHeaderSize;
  }
  if (!ok) return out_of_buffers("no memory for a DATA frame");
  if (!copy) output_.append(std::move(piece));
  open_frame_.ends_at(output_.end());
  s.send_window_ -= n;
  send_window_.use(n);
  room_ -= n;
  if (end) s.end_sent_ = true;
  if (send_window_.scarce()) [[unlikely]]
    charge(s);
  allowance_.sent(n);
  if (s.allowance_ != nullptr) s.allowance_->sent(n);
  if (n > 0 && s.owner_ != nullptr) handler_.on_sent(s, n);
  return true;
}

void Connection::make_ready(Stream& s) {
  if (!s.linked()) ready_.push_back(s);
}

bool Connection::frame_one(Stream& s) {
  if (s.head_ != nullptr) {
    const std::unique_ptr<FieldList> fields = std::move(s.head_);
    s.settle();
    return emit_headers(s, *fields, s.end_queued_ && s.data_.empty() && s.trailers_ == nullptr);
  }
  if (!s.data_.empty()) {
    int64_t window = std::min(s.send_window_, send_window_.left());
    if (window <= 0 || held_by_share(s)) return false;
    window = std::min(window, send_window_.room(s));
    // The quantum of fairness among streams: one frame.
    uint32_t left = static_cast<uint32_t>(std::min<int64_t>(
        {window, static_cast<int64_t>(s.data_.size()), int64_t{kDefaultMaxFrameSize}}));
    const uint32_t total = left;
    const bool end = s.end_queued_ && total == s.data_.size() && s.trailers_ == nullptr;
    if (emit_copy({total, FrameType::kData, end ? kFlagEndStream : uint8_t{0}, s.id_}, {}) ==
        nullptr)
      return out_of_buffers("no memory for a DATA frame");
    while (left > 0) {
      buf::Slice piece = s.data_.pop(left);
      left -= piece.size();
      output_.append(std::move(piece));
    }
    s.settle();
    s.send_window_ -= total;
    send_window_.use(total);
    room_ -= static_cast<int64_t>(kFrameHeaderSize + total);
    if (end) s.end_sent_ = true;
    if (send_window_.scarce()) [[unlikely]]
      charge(s);
    s.stalled_looks_ = 0;
    allowance_.sent(total);
    if (s.allowance_ != nullptr) s.allowance_->sent(total);
    if (total < config::kTinyData && !s.data_.empty()) {
      if (!dribbled(s)) return false;
    } else {
      s.dribbled_ = 0;
    }
    if (s.owner_ != nullptr) handler_.on_sent(s, total);
    return true;
  }
  if (s.trailers_ != nullptr) {
    const std::unique_ptr<FieldList> fields = std::move(s.trailers_);
    s.settle();
    return emit_headers(s, *fields, s.end_queued_);
  }
  if (s.end_queued_ && !s.end_sent_) return frame_data(s, {}, true);
  return false;
}

// A window made us cut the stream's DATA short. A pod opens its windows as it takes data from its
// clients. No client may make a pod open them by a few bytes until the connection of all clients
// ends. So toward a pod only the stream ends, and only for its own window.
bool Connection::dribbled(Stream& s) {
  if (role_ == Role::kServer) return spend(Allowance::kDribble);
  const uint32_t most = guards().dribble.burst;
  if (most == 0 || s.send_window_ > 0 || ++s.dribbled_ <= most) return true;
  ++stats_.guard_dribble;
  note(Note::kDribble);
  stream_error(s, ErrorCode::kInternalError, EndedBy::kGuard);
  return false;
}

void Connection::flush(uint32_t room) {
  room_ = room;
  while (room_ > 0 && !failed_) {
    Stream* s = ready_.pop_front();
    if (s == nullptr) break;
    if (s->id_ == 0) {
      // The limit may have fallen since open() (5.1.2), or other streams took the last ids.
      if (open_ - unnumbered_.size() + resets_waiting() >= peer_.max_streams ||
          next_id_ > kMaxStreamId) {
        limit_blocked_.push_back(*s);
        continue;
      }
      frame_one(*s);  // HEADERS: no callback
      after_output(*s);
      continue;
    }
    const uint32_t id = s->id_;
    frame_one(*s);
    // on_sent may have ended the stream.
    if ((s = table_.find(id)) != nullptr) after_output(*s);
  }
  open_frame_.close();
}

// Puts the stream into the list in which it waits next, or closes it when everything is sent.
void Connection::after_output(Stream& s) {
  if (failed_) return;
  if (s.head_ != nullptr || !s.data_.empty() || s.trailers_ != nullptr ||
      (s.end_queued_ && !s.end_sent_)) {
    file_waiting(s);
  } else if (s.reset_after_output_) {
    finish_reset(s);
  } else if (s.end_sent_ && s.remote_ended_) {
    finish(s);
  }
}

void Connection::file_waiting(Stream& s) {
  if (s.linked()) return;
  const bool only_data = s.head_ == nullptr && !s.data_.empty();
  if (only_data) data_waits_ = true;
  if (only_data && s.send_window_ <= 0) return;  // its WINDOW_UPDATE makes it ready
  if (only_data && send_window_.left() <= 0) {
    window_blocked_.push_back(s);
  } else if (only_data && held_by_share(s)) {
    ++stats_.window_shares;
    share_blocked_.push_back(s);
  } else {
    ready_.push_back(s);
  }
}

void Connection::finish_reset(Stream& s) {
  if (s.id_ != 0 && !(s.end_sent_ && s.remote_ended_))
    emit_rst(s.id_, static_cast<ErrorCode>(s.reset_code_));
  close(s);
}

void Connection::finish(Stream& s) {
  allowance_.completed();
  detach(s);
  if (s.owner_ != nullptr) handler_.on_closed(s);
  slab_.destroy(&s);
}

}  // namespace sluice::http2
