// The receiving half of http2::Connection: from bytes to frames to events.

#include <algorithm>

#include "http2/answers.h"
#include "http2/connection.h"
#include "http2/validation.h"

namespace sluice::http2 {

namespace {
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";  // 3.4
}

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
  while (!failed_ && data.size() > 0) {
    switch (state_) {
      case State::kPreface: {
        const auto n = std::min<uint32_t>(data.size(), kPreface.size() - have_);
        if (std::memcmp(data.data(), kPreface.data() + have_, n) != 0)
          return fail(ErrorCode::kProtocolError, "no HTTP/2 preface");
        have_ += n;
        data.drop_front(n);
        if (have_ == kPreface.size()) {
          have_ = 0;
          state_ = State::kFrameHeader;
        }
        break;
      }
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
        if (partial_.size() < frame_.size) break;
        state_ = State::kFrameHeader;
        const bool ok = on_frame(partial_);
        partial_.clear();
        partial_.shrink_to_fit();  // an idle connection keeps no buffer
        if (!ok) return false;
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
          if (pad > data_left_ && data_left_ < config::kTinyData && !spend(Allowance::kPadding))
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

bool Connection::idle(uint32_t id) const {
  // Nobody opens even ones: push is switched off.
  return (id & 1) == 0 || id > ids_.latest();
}

bool Connection::on_late_frame(uint32_t id, const FieldList* fields) {
  const bool data = fields == nullptr;
  const bool end = data ? (frame_.flags & kFlagEndStream) != 0 : block_end_stream_;
  const RecentIds::Fate fate = ids_.fate(id);
  if (fate == RecentIds::Fate::kReset) {
    if (end) ids_.ended(id);  // nothing that follows can have crossed
    // Of a client's HEADERS only trailers can, which end the stream.
    return data || end || provoked();
  }
  // Without END_STREAM it is counted as on any stream.
  if (data && end && frame_.size < config::kTinyData && !spend(Allowance::kTinyData)) return false;
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
      !spend(Allowance::kTinyData))
    return false;

  if (Stream* s = table_.find(frame_.stream); s != nullptr) {
    if (s->remote_ended_) {
      stream_error(*s, ErrorCode::kStreamClosed);
    } else if (!(role_ == Role::kServer ? s->request_seen_ : s->response_seen_)) {
      stream_error(*s, ErrorCode::kProtocolError);
    } else {
      s->receive_window_ -= frame_.size;
      if (s->receive_window_ < 0) stream_error(*s, ErrorCode::kFlowControlError);
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
  if (s != nullptr && s->content_left_ >= 0) {
    s->content_left_ -= n;
    if (s->content_left_ < 0 || (end && s->content_left_ != 0)) {
      stream_error(*s, ErrorCode::kProtocolError);  // 8.1.1
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
  if ((frame_.flags & kFlagEndStream) == 0) return !failed_ && spend(Allowance::kEmptyData);
  Stream* s = table_.find(frame_.stream);
  if (s == nullptr) return !failed_;
  if (s->content_left_ > 0) {
    stream_error(*s, ErrorCode::kProtocolError);
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

// HEADERS and CONTINUATION, 6.2 and 6.10.
bool Connection::on_headers_frame(buf::View payload) {
  const bool last = (frame_.flags & kFlagEndHeaders) != 0;
  if (frame_.type == FrameType::kContinuation) {
    if (!in_block_) return fail(ErrorCode::kProtocolError, "CONTINUATION without HEADERS");
    if (++continuations_ > guards().continuations)
      return trip(stats_.guard_continuation, "continuation", "too many CONTINUATION frames");
    if (block_.size() + payload.size() > guards().field_block_size)
      return trip(stats_.guard_field_block, "field_block", "field block too large to be read");
    block_.insert(block_.end(), payload.begin(), payload.end());
  } else {
    if (frame_.stream == 0) return fail(ErrorCode::kProtocolError, "HEADERS on stream 0");
    uint32_t skip = 0;
    uint32_t pad = 0;
    if ((frame_.flags & kFlagPadded) != 0) {
      if (payload.empty()) return fail(ErrorCode::kFrameSizeError, "HEADERS without pad length");
      pad = payload[0];
      skip = 1;
    }
    if ((frame_.flags & kFlagPriority) != 0) skip += 5;
    if (skip > payload.size())
      return fail(ErrorCode::kFrameSizeError, "HEADERS shorter than its fields");
    if (skip + pad > payload.size())
      return fail(ErrorCode::kProtocolError, "padding longer than its frame");
    if (2 * pad > payload.size() && !spend(Allowance::kPadding)) return false;
    payload = payload.subspan(skip, payload.size() - skip - pad);
    block_stream_ = frame_.stream;
    block_end_stream_ = (frame_.flags & kFlagEndStream) != 0;
    continuations_ = 0;
    if (payload.size() > guards().field_block_size)
      return trip(stats_.guard_field_block, "field_block", "field block too large to be read");
    if (last) return on_block(payload);
    if (partial_.empty()) begin_partial();
    in_block_ = true;
    block_.assign(payload.begin(), payload.end());
  }
  if (!last) return true;
  in_block_ = false;
  const bool ok = on_block(block_);
  block_.clear();
  block_.shrink_to_fit();
  return ok;
}

bool Connection::on_block(buf::View block) {
  thread_local FieldList fields;  // scratch; the owner may swap its storage away
  fields.clear();
  const auto result = decoder_.decode(block, config_.max_header_list_size, fields);
  if (result == hpack::Decoder::Result::kCompressionError)
    return fail(ErrorCode::kCompressionError, "field block that does not decode");
  if (result == hpack::Decoder::Result::kExcessive)
    return trip(stats_.guard_field_block, "field_block", "field block of far too large a list");
  for (uint32_t i = decoder_.size_updates(); i > 0; --i)
    if (!spend(Allowance::kTableSizes)) return false;
  const bool too_large =
      result == hpack::Decoder::Result::kTooLarge || fields.count() > guards().header_fields;
  if (too_large) {
    ++stats_.header_list_too_big;
    note(Note::kHeaderList);
  }

  const uint32_t id = block_stream_;
  Stream* s = table_.find(id);
  if (s == nullptr) {
    if (!idle(id)) return on_late_frame(id, &fields);
    if (role_ == Role::kServer && (id & 1) == 1)
      return on_request_block(id, fields, too_large, block_end_stream_);
    return fail(ErrorCode::kProtocolError, "HEADERS on an idle stream");
  }
  if (s->remote_ended_) {
    stream_error(*s, ErrorCode::kStreamClosed);
  } else if (too_large) {
    stream_error(*s, ErrorCode::kEnhanceYourCalm);
    if (!failed_) provoked();
  } else if (role_ == Role::kClient && !s->response_seen_) {
    return on_response_block(*s, fields, block_end_stream_);
  } else if (!block_end_stream_ || !valid_trailers(fields) || s->content_left_ > 0 || s->connect_) {
    if (!count_empty_names(fields)) return false;
    stream_error(*s, ErrorCode::kProtocolError);  // trailers end a stream (8.1), tunnels have none
  } else {
    s->remote_ended_ = true;
    if (s->owner_ != nullptr) handler_.on_headers(*s, Handler::Section::kTrailers, fields, true);
    if ((s = table_.find(id)) != nullptr) remote_end(*s);
  }
  return !failed_;
}

bool Connection::on_request_block(uint32_t id, FieldList& fields, bool too_large, bool end) {
  ids_.use(id);
  if (refusing_) {  // above the last id of our GOAWAY: the client will retry (6.8)
    ids_.reset(id);
    return provoked();  // what crossed our GOAWAY is not that much
  }
  last_peer_id_ = id;
  thread_local FieldList own;
  own.clear();
  if (too_large) {
    answer_too_large(fields, own);
    return answer(id, own, end);
  }
  RequestFacts request;
  if (!valid_request(fields, config_.pass_connect, request) ||
      (end && request.content_length > 0)) {
    ++stats_.malformed_requests;
    ++stats_.stream_errors;
    if (!count_empty_names(fields)) return false;
    emit_rst(id, ErrorCode::kProtocolError);
    return !failed_ && provoked();
  }
  if (request.connect && !config_.pass_connect) {
    ++stats_.connects_refused;
    answer_connect(own);
    return answer(id, own, end);
  }
  Stream* s = admit(id, end);
  if (s == nullptr) return !failed_;
  s->content_left_ = request.connect ? -1 : request.content_length;
  s->connect_ = request.connect;
  handler_.on_headers(*s, Handler::Section::kRequest, fields, end);
  s = table_.find(id);
  if (s == nullptr) return !failed_;
  if (s->owner_ == nullptr && !s->end_queued_ && !s->reset_after_output_) {
    ++stats_.streams_refused;
    reset(*s, ErrorCode::kRefusedStream);
  } else if (end) {
    remote_end(*s);
  }
  return !failed_;
}

Stream* Connection::admit(uint32_t id, bool end) {
  Stream* s = nullptr;
  if (open_ < config_.max_concurrent_streams) {
    s = slab_.create();
  } else {
    ++stats_.guard_streams;
    note(Note::kStreams);
  }
  if (s == nullptr) {
    ++stats_.streams_refused;
    emit_rst(id, ErrorCode::kRefusedStream);
    provoked();
    return nullptr;
  }
  ++stats_.streams_opened;
  ++open_;
  s->id_ = id;
  s->request_seen_ = true;
  s->remote_ended_ = end;
  s->send_window_ = peer_initial_window_;
  s->receive_window_ = config_.initial_stream_window;
  // Until its ACK the client may not have seen our setting (6.5.3).
  if (settings_unacknowledged_ > 0)
    s->receive_window_ = std::max<int64_t>(s->receive_window_, kDefaultWindow);
  table_.insert(*s);
  return s;
}

bool Connection::answer(uint32_t id, const FieldList& fields, bool request_ended) {
  Stream* s = admit(id, request_ended);
  if (s == nullptr) return !failed_;
  send_headers(*s, fields, true);
  // What may come of the request is of no use (8.1).
  if ((s = table_.find(id)) != nullptr) reset_after_output(*s, ErrorCode::kNoError);
  return !failed_ && provoked();
}

bool Connection::on_response_block(Stream& s, FieldList& fields, bool end) {
  int status;
  int64_t content_length;
  bool valid = valid_response(fields, status, content_length);
  const bool final = status >= 200;
  if (!final) {
    valid = valid && !end;
  } else if (s.to_head_ || status == 204 || status == 304) {
    content_length = 0;  // the length that is announced is that of another answer (RFC 9110, 8.6)
  } else if (s.connect_ && status < 300) {
    content_length = -1;  // a tunnel (RFC 9110, 9.3.6)
  } else {
    valid = valid && (!end || content_length <= 0);
  }
  if (!valid) {
    if (!count_empty_names(fields)) return false;
    stream_error(s, ErrorCode::kProtocolError);
    return !failed_;
  }
  const uint32_t id = s.id_;
  s.response_seen_ = final;
  s.remote_ended_ = end;
  if (final) s.content_left_ = content_length;
  if (status >= 300) s.connect_ = false;
  if (s.owner_ != nullptr)
    handler_.on_headers(s, final ? Handler::Section::kResponse : Handler::Section::kInformational,
                        fields, end);
  Stream* again = table_.find(id);
  if (end && again != nullptr) remote_end(*again);
  return !failed_;
}

bool Connection::trip(stats::Counter& counter, const char* guard, const char* detail) {
  if (failed_) return false;
  ++counter;
  guard_ = guard;
  return fail(ErrorCode::kEnhanceYourCalm, detail);
}

bool Connection::spend(Allowance::Kind kind) {
  if (allowance_.take(kind, guards(), now_)) return true;
  struct Guard {
    stats::Counter stats::Http2::*counter;
    const char* name;
    const char* detail;
  };
  using stats::Http2;
  static constexpr Guard kGuards[Allowance::kKinds] = {
      {&Http2::guard_rapid_reset, "rapid_reset", "streams reset too often"},
      {&Http2::guard_provoked_reset, "provoked_reset", "too many streams that had to be reset"},
      {&Http2::guard_settings, "settings", "too many SETTINGS"},
      {&Http2::guard_ping, "ping", "too many PING"},
      {&Http2::guard_priority, "priority", "too many PRIORITY"},
      {&Http2::guard_window_update, "window_update", "too many WINDOW_UPDATE"},
      {&Http2::guard_unknown_frame, "unknown_frame", "too many frames of unknown types"},
      {&Http2::guard_empty_data, "empty_data", "too many empty DATA frames"},
      {&Http2::guard_tiny_data, "tiny_data", "too many DATA frames of a few bytes"},
      {&Http2::guard_padding, "padding", "too much padding"},
      {&Http2::guard_dribble, "dribble", "windows of a few bytes"},
      {&Http2::guard_table_size, "table_size", "HPACK's table changed too often"},
      {&Http2::guard_empty_name, "empty_name", "too many fields without a name"},
  };
  const Guard& g = kGuards[kind];
  return trip(stats_.*g.counter, g.name, g.detail);
}

void Connection::note(Note n) {
  struct Line {
    const char* guard;
    const char* what;
  };
  // In the order of Note.
  static constexpr Line kLines[] = {
      {"header_list", "more or larger fields than header_list_size and header_fields allow"},
      {"empty_name", "a field without a name"},
      {"streams", "more streams than concurrent_streams"},
      {"stalled_stream", "a stream's window stayed shut"},
      {"dribble", "a stream's window opens by a few bytes"},
  };
  const auto bit = static_cast<uint8_t>(1u << static_cast<unsigned>(n));
  if ((noted_ & bit) != 0) return;
  noted_ |= bit;
  const Line& line = kLines[static_cast<size_t>(n)];
  handler_.on_guard(line.guard, line.what);
}

bool Connection::count_empty_names(const FieldList& fields) {
  for (const Field f : fields) {
    if (!f.name.empty()) continue;
    // A pod's are what it says to one client of many.
    if (role_ == Role::kServer && !spend(Allowance::kEmptyNames)) return false;
    ++stats_.guard_empty_name;
    note(Note::kEmptyName);
    break;
  }
  return true;
}

// What makes us reset is as cheap for a client as RST_STREAM itself (CVE-2025-8671). A pod is
// exempt from both: it answers what clients sent it, and many share its connection.
bool Connection::provoked() {
  return role_ == Role::kClient || spend(Allowance::kProvokedResets);
}

bool Connection::on_rst(buf::View payload) {
  if (payload.size() != 4) return fail(ErrorCode::kFrameSizeError, "RST_STREAM of a wrong size");
  if (frame_.stream == 0 || idle(frame_.stream))
    return fail(ErrorCode::kProtocolError, "RST_STREAM on an idle stream");
  ++stats_.resets_in;
  if (role_ == Role::kServer && !spend(Allowance::kResets)) return false;
  Stream* s = table_.find(frame_.stream);
  if (s == nullptr) return true;
  detach(*s);
  if (s->owner_ != nullptr)
    handler_.on_reset(*s, static_cast<ErrorCode>(load_be32(payload.data())), true);
  slab_.destroy(s);
  return !failed_;
}

// 6.3. Deprecated; only its form matters.
bool Connection::on_priority(buf::View payload) {
  if (!spend(Allowance::kPriorities)) return false;
  if (frame_.stream == 0) return fail(ErrorCode::kProtocolError, "PRIORITY on stream 0");
  if (payload.size() == 5) return true;
  Stream* s = table_.find(frame_.stream);
  // Where RST_STREAM must not be sent, a stream error becomes one of the connection.
  if (s == nullptr) return fail(ErrorCode::kFrameSizeError, "PRIORITY of a wrong size");
  stream_error(*s, ErrorCode::kFrameSizeError);
  return !failed_;
}

// RFC 9218, 7.1. Streams take turns here whatever it says.
bool Connection::on_priority_update(buf::View payload) {
  if (!spend(Allowance::kPriorities)) return false;
  if (role_ == Role::kClient)
    return fail(ErrorCode::kProtocolError, "PRIORITY_UPDATE from a server");
  if (frame_.stream != 0) return fail(ErrorCode::kProtocolError, "PRIORITY_UPDATE on a stream");
  if (payload.size() < 4)
    return fail(ErrorCode::kFrameSizeError, "PRIORITY_UPDATE of a wrong size");
  const uint32_t id = load_be32(payload.data()) & kMaxStreamId;
  if ((id & 1) == 0)
    return fail(ErrorCode::kProtocolError, "PRIORITY_UPDATE for a stream that cannot be");
  return true;
}

bool Connection::on_settings_frame(buf::View payload) {
  if (frame_.stream != 0) return fail(ErrorCode::kProtocolError, "SETTINGS on a stream");
  if ((frame_.flags & kFlagAck) != 0) {
    if (!payload.empty()) return fail(ErrorCode::kFrameSizeError, "SETTINGS ACK with payload");
    if (settings_unacknowledged_ == 0)
      return fail(ErrorCode::kProtocolError, "SETTINGS ACK without SETTINGS");
    --settings_unacknowledged_;
    decoder_.set_limit(config_.header_table_size);
    return true;
  }
  if (payload.size() % kSettingSize != 0)
    return fail(ErrorCode::kFrameSizeError, "SETTINGS of a wrong size");
  if (!spend(Allowance::kSettings)) return false;
  if (payload.size() / kSettingSize > guards().settings_entries)
    return trip(stats_.guard_settings, "settings", "too many settings in one frame");
  // Without the setting there is no limit; 100 was only assumed until now.
  if (!settings_received_) peer_max_streams_ = UINT32_MAX;
  settings_received_ = true;
  uint32_t initial_window = peer_initial_window_;
  for (size_t i = 0; i < payload.size(); i += kSettingSize) {
    const uint32_t value = load_be32(payload.data() + i + 2);
    switch (static_cast<Setting>(load_be16(payload.data() + i))) {
      case Setting::kHeaderTableSize:
        encoder_.set_table_size(value);
        break;
      case Setting::kEnablePush:
        if (value > 1 || (role_ == Role::kClient && value == 1))
          return fail(ErrorCode::kProtocolError, "SETTINGS_ENABLE_PUSH out of range");
        break;
      case Setting::kMaxConcurrentStreams:
        peer_max_streams_ = value;
        ready_.splice_back(limit_blocked_);
        break;
      case Setting::kInitialWindowSize:
        if (value > kMaxWindow)
          return fail(ErrorCode::kFlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE out of range");
        initial_window = value;
        break;
      case Setting::kMaxFrameSize:
        if (value < kDefaultMaxFrameSize || value > 0xffffff)
          return fail(ErrorCode::kProtocolError, "SETTINGS_MAX_FRAME_SIZE out of range");
        peer_max_frame_size_ = value;
        break;
      case Setting::kEnableConnectProtocol:
        if (value > 1 || value < uint32_t{peer_takes_extended_connect_})
          return fail(ErrorCode::kProtocolError, "SETTINGS_ENABLE_CONNECT_PROTOCOL out of range");
        peer_takes_extended_connect_ = value == 1;
        break;
      case Setting::kNoRfc7540Priorities:
        if (value > 1)
          return fail(ErrorCode::kProtocolError, "SETTINGS_NO_RFC7540_PRIORITIES out of range");
        break;
      default:
        break;  // unknown settings, and those that only advise, are discarded
    }
  }
  if (initial_window != peer_initial_window_ && !set_initial_window(initial_window)) return false;
  if (!emit_control(FrameType::kSettings, kFlagAck, 0, {})) return false;
  handler_.on_settings();
  return !failed_;
}

// 6.9.2. Once a frame, since it walks the streams. Windows may become negative.
bool Connection::set_initial_window(uint32_t bytes) {
  const int64_t change = int64_t{bytes} - peer_initial_window_;
  peer_initial_window_ = bytes;
  for (Stream* s : unnumbered_) s->send_window_ += change;
  for (uint32_t c = 0; c < table_.capacity(); ++c) {
    Stream* s = table_.cell(c);
    if (s == nullptr) continue;
    s->send_window_ += change;
    if (s->send_window_ > kMaxWindow)
      return fail(ErrorCode::kFlowControlError, "a stream's window overflows");
    if (s->send_window_ > 0 && !s->data_.empty()) make_ready(*s);
  }
  return true;
}

bool Connection::on_ping_frame(buf::View payload) {
  if (payload.size() != 8) return fail(ErrorCode::kFrameSizeError, "PING of a wrong size");
  if (frame_.stream != 0) return fail(ErrorCode::kProtocolError, "PING on a stream");
  if (!spend(Allowance::kPings)) return false;
  if ((frame_.flags & kFlagAck) == 0) return emit_control(FrameType::kPing, kFlagAck, 0, payload);
  handler_.on_ping_ack(load_be64(payload.data()));
  return !failed_;
}

bool Connection::on_goaway_frame(buf::View payload) {
  if (payload.size() < 8) return fail(ErrorCode::kFrameSizeError, "GOAWAY of a wrong size");
  if (frame_.stream != 0) return fail(ErrorCode::kProtocolError, "GOAWAY on a stream");
  if (!spend(Allowance::kSettings)) return false;
  ++stats_.goaways_in;
  peer_going_away_ = true;
  handler_.on_goaway(load_be32(payload.data()) & kMaxStreamId,
                     static_cast<ErrorCode>(load_be32(payload.data() + 4)),
                     {reinterpret_cast<const char*>(payload.data()) + 8, payload.size() - 8});
  return !failed_;
}

bool Connection::on_window_update(buf::View payload) {
  if (payload.size() != 4) return fail(ErrorCode::kFrameSizeError, "WINDOW_UPDATE of a wrong size");
  if (!spend(Allowance::kWindowUpdates)) return false;
  const uint32_t n = load_be32(payload.data()) & kMaxStreamId;
  if (frame_.stream == 0) {
    if (n == 0) return fail(ErrorCode::kProtocolError, "WINDOW_UPDATE of nothing");
    send_window_ += n;
    if (send_window_ > kMaxWindow)
      return fail(ErrorCode::kFlowControlError, "the connection's window overflows");
    if (send_window_ > 0) ready_.splice_back(window_blocked_);
    return true;
  }
  if (idle(frame_.stream))
    return fail(ErrorCode::kProtocolError, "WINDOW_UPDATE on an idle stream");
  Stream* s = table_.find(frame_.stream);
  if (s == nullptr) return true;
  if (n == 0) {
    stream_error(*s, ErrorCode::kProtocolError);
    return !failed_;
  }
  s->send_window_ += n;
  if (s->send_window_ > kMaxWindow) {
    stream_error(*s, ErrorCode::kFlowControlError);
  } else if (s->send_window_ > 0 && !s->data_.empty()) {
    make_ready(*s);
  }
  return !failed_;
}

}  // namespace sluice::http2
