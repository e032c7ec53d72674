// Field blocks that http2::Connection receives: HEADERS and CONTINUATION, and their content.

#include <algorithm>
#include <string_view>

#include "http/answers.h"
#include "http/validation.h"
#include "http2/connection.h"

namespace sluice::http2 {
namespace {

// More than `most` fields. Cookies that follow each other are one field: HTTP/2 may split a Cookie
// (RFC 9113, 8.2.3), and the size of the list bounds the parts.
bool more_fields(const FieldList& fields, uint32_t most) {
  if (fields.count() <= most) [[likely]]
    return false;
  uint32_t n = 0;
  bool cookie = false;
  for (const http::Field f : fields) {
    if (f.id != http::Name::kCookie || !cookie) ++n;
    cookie = f.id == http::Name::kCookie;
  }
  return n > most;
}

// A plain CONNECT, or a WebSocket. Sluice knows no other protocol of extended CONNECT, and such a
// request is answered with 501 (RFC 9220, 3).
bool known_protocol(const FieldList& connect) {
  constexpr std::string_view kWebSocket = "websocket";
  const auto protocol = connect.find(http::Name::kProtocol);
  return !protocol || std::equal(protocol->begin(), protocol->end(), kWebSocket.begin(),
                                 kWebSocket.end(), [](char a, char b) {
                                   return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b;
                                 });
}

}  // namespace

// HEADERS and CONTINUATION, 6.2 and 6.10.
bool Connection::on_headers_frame(buf::View payload) {
  const bool last = (frame().flags & kFlagEndHeaders) != 0;
  if (frame().type == FrameType::kContinuation) {
    if (!block_.open()) return fail(ErrorCode::kProtocolError, "CONTINUATION without HEADERS");
    const uint32_t frames = block_.count_continuation();
    if (frames > guards().continuations &&
        !bear_block(Note::kContinuation, frames, guards().continuations))
      return false;
    const size_t size = block_.size() + payload.size();
    if (size > guards().field_block_size &&
        !bear_block(Note::kFieldBlock, size, guards().field_block_size))
      return false;
    block_.append(payload);
  } else {
    if (frame().stream == 0) return fail(ErrorCode::kProtocolError, "HEADERS on stream 0");
    uint32_t skip = 0;
    uint32_t pad = 0;
    if ((frame().flags & kFlagPadded) != 0) {
      if (payload.empty()) return fail(ErrorCode::kFrameSizeError, "HEADERS without pad length");
      pad = payload[0];
      skip = 1;
    }
    const bool priority = (frame().flags & kFlagPriority) != 0;
    if (priority) skip += kPrioritySize;
    if (skip > payload.size())
      return fail(ErrorCode::kFrameSizeError, "HEADERS shorter than its fields");
    if (skip + pad > payload.size())
      return fail(ErrorCode::kProtocolError, "padding longer than its frame");
    if (2 * pad > payload.size() && !spend_on(table_.find(frame().stream), Allowance::kPadding))
      return false;
    const bool depends_on_itself =
        priority && dependency(payload.data() + skip - kPrioritySize) == frame().stream;
    payload = payload.subspan(skip, payload.size() - skip - pad);
    block_.begin(frame().stream, (frame().flags & kFlagEndStream) != 0, depends_on_itself);
    if (payload.size() > guards().field_block_size &&
        !bear_block(Note::kFieldBlock, payload.size(), guards().field_block_size))
      return false;
    if (last) return on_block(payload);
    if (!reader_.collected()) stalls_.unfinished_begins();
    block_.keep(payload);
  }
  if (!last) return settle_partial();
  const bool ok = on_block(block_.close());
  block_.release();
  return settle_partial() && ok;
}

bool Connection::on_block(buf::View block) {
  thread_local FieldList fields;  // scratch; the owner may swap its storage away
  fields.clear();
  const size_t unlisted = hpack::Decoder::kUnlisted * (role_ == Role::kClient ? kReadAnyway : 1);
  const auto result = decoder_.decode(block, config_.max_header_list_size, fields, unlisted);
  if (result == hpack::Decoder::Result::kCompressionError)
    return fail(ErrorCode::kCompressionError, "field block that does not decode");
  if (result == hpack::Decoder::Result::kExcessive)
    return trip(stats_.guard_field_block, "field_block", "field block of far too large a list");
  for (uint32_t i = decoder_.size_updates(); i > 0; --i)
    if (!spend(Allowance::kTableSizes)) return false;
  const bool too_large =
      result == hpack::Decoder::Result::kTooLarge || more_fields(fields, guards().header_fields);
  if (too_large) {
    ++stats_.header_list_too_big;
    note(Note::kHeaderList);
  }

  const uint32_t id = block_.stream();
  Stream* s = table_.find(id);
  if (s == nullptr) {
    if (!idle(id)) return on_late_frame(id, &fields);
    if (role_ == Role::kServer && (id & 1) == 1)
      return on_request_block(id, fields, too_large, block_.ends_stream());
    return fail(ErrorCode::kProtocolError, "HEADERS on an idle stream");
  }
  if (s->remote_ended_) {
    stream_error(*s, ErrorCode::kStreamClosed, "HEADERS behind the end of their stream");
  } else if (too_large) {
    stream_error(*s, ErrorCode::kEnhanceYourCalm, EndedBy::kTooLarge);
    if (!failed_) provoked();
  } else if (role_ == Role::kClient && !s->response_seen_) {
    return on_response_block(*s, fields, block_.ends_stream());
  } else if (!block_.ends_stream() || block_.depends_on_itself() || !http::valid_trailers(fields) ||
             s->content_left_ > 0 || s->connect_) {
    if (!count_empty_names(fields)) return false;
    // Trailers end a stream (8.1), tunnels have none.
    stream_error(*s, ErrorCode::kProtocolError, "malformed trailers");
  } else {
    s->remote_ended_ = true;
    if (s->owner_ != nullptr) handler_.on_headers(*s, Handler::Section::kTrailers, fields, true);
    if ((s = table_.find(id)) != nullptr) remote_end(*s);
  }
  return !failed_;
}

bool Connection::on_request_block(uint32_t id, FieldList& fields, bool too_large, bool end) {
  if (last_peer_id_ == 0) begin_stream_limit();
  ids_.use(id);
  if (refusing_) {  // above the last id of our GOAWAY: the client will retry (6.8)
    ids_.reset(id);
    return provoked();  // few requests can cross our GOAWAY
  }
  last_peer_id_ = id;
  thread_local FieldList own;
  own.clear();
  if (too_large) {
    http::answer_too_large(fields, own);
    return answer(id, own, end);
  }
  http::RequestFacts request;
  if (block_.depends_on_itself() || !http::valid_request(fields, config_.pass_connect, request) ||
      (end && request.content_length > 0)) {
    ++stats_.malformed_requests;
    ++stats_.stream_errors;
    if (!count_empty_names(fields)) return false;
    emit_rst(id, ErrorCode::kProtocolError);
    return !failed_ && provoked();
  }
  if (request.connect && !(config_.pass_connect && known_protocol(fields))) {
    ++stats_.connects_refused;
    http::answer_connect(own);
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
  if (open_ >= stream_limit_ && stream_limit_ < config_.max_concurrent_streams) [[unlikely]]
    set_stream_limit();  // streams may have ended well meanwhile
  if (open_ < stream_limit_) {
    s = slab_.create();
  } else if (stream_limit_ < config_.max_concurrent_streams) {
    ++stats_.guard_early_ends;
    note(Note::kEarlyEnds);
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
  s->account_ = account_;
  s->request_seen_ = true;
  s->remote_ended_ = end;
  s->send_window_ = peer_.initial_window;
  s->receive_window_ = config_.initial_stream_window;
  s->window_.begin(config_.initial_stream_window, now_, windows_grow());
  // Before its ACK the client may not have seen our setting (6.5.3).
  if (settings_unacknowledged_ > 0)
    s->receive_window_ = std::max<int64_t>(s->receive_window_, kDefaultWindow);
  table_.insert(*s);
  return s;
}

bool Connection::answer(uint32_t id, const FieldList& fields, bool request_ended) {
  Stream* s = admit(id, request_ended);
  if (s == nullptr) return !failed_;
  send_headers(*s, fields, true);
  // The rest of the request is of no use (8.1).
  if ((s = table_.find(id)) != nullptr) reset_after_output(*s, ErrorCode::kNoError);
  return !failed_ && provoked();
}

bool Connection::on_response_block(Stream& s, FieldList& fields, bool end) {
  int status;
  int64_t content_length;
  bool valid = http::valid_response(fields, status, content_length) && !block_.depends_on_itself();
  const bool final = status >= 200;
  if (!final) {
    valid = valid && !end;
  } else if (s.to_head_ || status == 204 || status == 304) {
    content_length = 0;  // the announced length is that of another answer (RFC 9110, 8.6)
  } else if (s.connect_ && status < 300) {
    content_length = -1;  // a tunnel (RFC 9110, 9.3.6)
  } else {
    valid = valid && (!end || content_length <= 0);
  }
  if (!valid) {
    if (!count_empty_names(fields)) return false;
    stream_error(s, ErrorCode::kProtocolError, "a malformed answer");
    return !failed_;
  }
  const uint32_t id = s.id_;
  s.response_seen_ = final;
  s.remote_ended_ = end;
  if (final) s.content_left_ = content_length;
  if (status >= 300) s.connect_ = false;
  if (s.share_ != nullptr) on_share_change(s);
  if (s.owner_ != nullptr)
    handler_.on_headers(s, final ? Handler::Section::kResponse : Handler::Section::kInformational,
                        fields, end);
  Stream* again = table_.find(id);
  if (end && again != nullptr) remote_end(*again);
  return !failed_;
}

}  // namespace sluice::http2
