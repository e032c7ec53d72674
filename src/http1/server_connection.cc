#include "http1/server_connection.h"

#include <algorithm>
#include <string>

#include "http1/codec.h"
#include "http1/head_writer.h"

namespace sluice::http1 {

void ServerConnection::release() {
  codec_.destroy(this);
}

void ServerConnection::on_head(std::string_view text) {
  constexpr size_t kEmptyLine = 2;
  if (text.size() == kEmptyLine) {
    if (++empty_lines_ > kEmptyLines) refuse(bad("empty lines in front of a request"));
    return;
  }
  empty_lines_ = 0;
  thread_local FieldList fields;  // scratch; the owner may swap its storage away
  fields.clear();
  RequestHead head;
  Fault fault = parse_request(text, guards().header_fields, codec_.sections(), fields, head);
  if (!fault && fields.size() > config().max_header_list_size)
    fault = {431, "a field list larger than header_list_size"};
  if (!fault && head.connect && !pass_connect_) fault = {501, "CONNECT"};
  if (fault) {
    refuse(fault);
    return;
  }
  ++stats().requests;
  begin_request(head, fields);
}

void ServerConnection::begin_request(const RequestHead& head, FieldList& fields) {
  Stream& s = begin_stream();
  s.set_account(account_);
  s.to_head_ = head.to_head;
  s.old_ = head.minor == 0;
  received_protocol_ = s.old_ ? Received::kHttp10 : Received::kHttp11;
  closes_ |= !head.keep;
  if (rates_ != nullptr) rates_->body.begin();
  tiny_chunks_ -= std::min(tiny_chunks_, kEarnedChunks);
  s.websocket_ = !head.websocket_key.empty();
  if (s.websocket_) s.peer_.accept = accept_of(head.websocket_key);
  if (s.websocket_ || head.connect) {
    s.tunnel_ = Stream::Tunnel::kAsked;
    input_ = Input::kHeld;
  } else {
    begin_body(head.framing, false, ChunkedDecoder::Padding::kRefused);
  }
  const bool end = input_ == Input::kHead;
  s.expects_ = head.expects && !end;
  s.remote_ended_ = end;
  const uint32_t id = s.id_;
  handler_.on_headers(s, Handler::Section::kRequest, fields, end);
  if (!stream_ || stream_->id_ != id) return;
  if (s.owner() == nullptr && !s.head_written_ && !s.left_) {
    reset(s, EndReason::kRefused);
  } else if (end) {
    remote_end();
  }
}

void ServerConnection::send_headers(http::Stream& stream, const FieldList& fields, bool end) {
  Stream& s = own(stream);
  if (over() || s.closed_ || s.end_queued_) return;
  if (s.head_written_) {
    end_with_trailers(s, fields);
    return;
  }
  const int status = status_of(fields);
  HopFields hop;
  HeadText& text = HeadText::scratch();
  if (status < 200) {  // RFC 9110, 15.2: an HTTP/1.0 client knows none
    // Without room an informational answer is left out: nobody may pile them up. The first 100 is
    // not: its client may send nothing before it comes.
    const bool awaited = status == 100 && s.expects_;
    if (s.old_ || status == 101 || (room_ <= 0 && !awaited)) return;
    hop.no_length = true;
    write_response(text, fields, hop);
    write(text.view());
    if (status == 100) s.expects_ = false;
    return;
  }
  s.head_written_ = true;
  s.end_queued_ = end;
  s.head_position_ = output().end();
  if (s.tunnel_ == Stream::Tunnel::kAsked && status < 300) {
    hop.no_length = true;
    if (s.websocket_) hop.websocket_accept = view(s.peer_.accept);
    write_response(text, fields, hop);
    if (!write(text.view())) return;
    open_tunnel(s);
    closes_ = true;
    if (end) write_end(s);
    return;
  }
  // The bytes behind a request for a tunnel are no request, and are never read as one.
  closes_ |= in_tunnel();
  const auto length = fields.find(Name::kContentLength);
  if (s.to_head_ || status == 304 || status == 204) {
    s.body_ = Stream::Body::kNone;
    hop.no_length = status == 204;  // RFC 9110, 8.6
  } else if (length) {
    s.body_ = Stream::Body::kLength;
    for (const char c : *length) s.body_left_ = s.body_left_ * 10 + (c - '0');
  } else if (end) {
    s.body_ = Stream::Body::kLength;
    hop.empty = true;
  } else if (s.old_) {
    s.body_ = Stream::Body::kUntilClose;
    closes_ = true;
  } else {
    s.body_ = Stream::Body::kChunked;
    hop.chunked = true;
  }
  // The rest of a request whose whole answer is here is not read. Behind an answer instead of 100,
  // nobody can tell whether the client sends the body or its next request.
  closes_ |= (end && !s.remote_ended_) || s.expects_ || (ended_ && !input_waits());
  hop.close = closes_;
  hop.keep_alive = !closes_ && s.old_;
  hop.upgrade = fields.has(Name::kUpgrade);
  write_response(text, fields, hop);
  if (!write(text.view())) return;
  if (end) write_end(s);
  // A stream that its request has not ended waits for flush(): the caller may still refer to it.
  if (stream_ && s.remote_ended_) settle_end();
}

bool ServerConnection::decline_tunnel(http::Stream& s) {
  if (own(s).tunnel_ != Stream::Tunnel::kAsked) return false;
  own(s).tunnel_ = Stream::Tunnel::kIgnored;
  return true;
}

void ServerConnection::cut(const Stream& s) {
  ++stats().answers_cut;
  // The end of the connection is the end of such a body: only a reset tells the client.
  const bool looks_whole = s.head_written_ && s.body_ == Stream::Body::kUntilClose;
  ending_ = looks_whole ? Ending::kAbort : Ending::kClose;
}

void ServerConnection::reset(http::Stream& stream, EndReason reason) {
  Stream& s = own(stream);
  if (s.closed_) return;
  if (over()) {
    drop(s);
    return;
  }
  if (s.head_written_) {
    if (!s.end_sent_) {
      cut(s);
    } else if (!s.remote_ended_) {
      // Behind the owner's end of a tunnel, only a reset tells the client that its bytes are lost.
      ending_ = s.tunnel_ == Stream::Tunnel::kOpen ? Ending::kAbort : Ending::kClose;
    }
    drop(s);
    return;
  }
  closes_ |= !s.remote_ended_;
  answer(reason == EndReason::kRefused || reason == EndReason::kOverload ? 503 : 502);
  drop(s);
  if (closes_ && !over()) ending_ = Ending::kClose;
}

void ServerConnection::answer(int status) {
  FieldList fields;
  fields.add(Name::kStatus, std::to_string(status));
  HeadText& text = HeadText::scratch();
  write_response(text, fields,
                 {.empty = true, .close = closes_, .keep_alive = stream_ && stream_->old_});
  write(text.view());
}

void ServerConnection::break_off(Stream& s, EndedBy by) {
  cut(s);
  end_stream(s, EndReason::kInternalError, by);
}

void ServerConnection::count(const Fault& fault) {
  switch (fault.status) {
    case 400:
      ++stats().bad_requests;
      break;
    case 408:
      break;  // a guard counts it
    case 414:
    case 431:
      ++stats().guard_head_size;
      break;
    case 501:
      ++stats().connects_refused;
      break;
    default:
      ++stats().versions_refused;
  }
}

// The answer to a request that cannot be read. Nothing behind it can be read either (RFC 9112, 2.2
// and 6.3).
void ServerConnection::refuse(const Fault& fault) {
  if (over()) return;
  count(fault);
  closes_ = true;
  if (!stream_) {
    answer(fault.status);
  } else {
    Stream& s = *stream_;
    if (!s.head_written_) {
      answer(fault.status);
    } else if (!s.end_sent_ && s.body_ == Stream::Body::kUntilClose) {
      ending_ = Ending::kAbort;
    }
    const bool too_large = fault.status == 414 || fault.status == 431;
    end_stream(s, fault.status == 408 ? EndReason::kTimeout : EndReason::kProtocolError,
               too_large ? EndedBy::kTooLarge : EndedBy::kProtocol);
  }
  fail(fault.what, fault.status == 414 || fault.status == 431 ? "http1_head_size" : nullptr);
}

void ServerConnection::on_exchange_end() {
  if (closes_ && !over()) ending_ = Ending::kClose;
  closes_ |= closes_next_;
}

void ServerConnection::after_flush() {
  const bool in_tunnel = stream_ && stream_->tunnel_ == Stream::Tunnel::kOpen;
  if (stream_ && stream_->end_sent_ && !stream_->remote_ended_ && !over() &&
      ((closes_ && !in_tunnel) || stream_->left_)) {
    // The answer is whole, and the rest of the request is of no use.
    ending_ = Ending::kClose;
    end_stream(*stream_, EndReason::kCancelled, EndedBy::kPeer);
  } else if (stream_ && stream_->left_ && !stream_->end_queued_ && !over()) {
    cut(*stream_);
    drop(*stream_);
  }
  resume();
  if (!ended_ || over() || input_waits()) return;
  if (input_ == Input::kTunnel) {  // opened behind the client's FIN, which ends its side
    ended_ = false;
    deliver({}, true);
    return;
  }
  if (stream_ && input_ == Input::kHead) return;
  // The client ended within a request that had to wait, or has got all answers.
  ending_ = Ending::kClose;
  if (stream_) end_stream(*stream_, EndReason::kCancelled, EndedBy::kPeer);
}

// A client may end its side behind a whole request, and still read the answer. The end within a
// request means that the client is gone.
bool ServerConnection::end_of_input() {
  if (!over() && input_ == Input::kTunnel) {
    resume();  // bytes that waited for the tunnel come before its end
    if (!over()) deliver({}, true);
    return true;
  }
  if (over() || (mid_message() && !input_waits())) return false;
  if (!stream_ && !input_waits()) return false;
  ended_ = true;
  return true;
}

// Chunks of a few bytes cost more than they carry. Time, requests and large chunks earn some, so
// that a line with its end in a chunk of its own is no fault.
void ServerConnection::on_chunk(uint32_t piece, uint64_t chunk) {
  if (chunk >= config::kTinyData) {
    tiny_chunks_ -= std::min(tiny_chunks_, piece / 16);
    return;
  }
  const config::Rate& rate = guards().tiny_data;
  if (rate.burst == 0 || ++tiny_chunks_ <= rate.burst) return;
  ++stats().guard_tiny_chunks;
  refuse(bad("too many chunks of a few bytes"));
  guard_ = "http1_tiny_chunks";
}

void ServerConnection::watch_half_closed(uint64_t taken, uint64_t end) {
  const bool silent = ended_ && stream_ && rates_->answer.still(taken, end);
  silent_looks_ = silent ? silent_looks_ + 1 : 0;
  if (half_closed_timeout_.count() == 0 || silent_looks_ * kWatchPeriod <= half_closed_timeout_)
    return;
  ++stats().half_closed_cancels;
  Stream& s = *stream_;
  closes_ = true;
  if (s.head_written_) {
    cut(s);
  } else {
    answer(504);
  }
  end_stream(s, EndReason::kCancelled, EndedBy::kHalfClosed);
  if (!over()) ending_ = Ending::kClose;
}

Connection::Watched ServerConnection::watch_rates(uint32_t body) {
  const config::Guards& g = guards();
  tiny_chunks_ -= std::min(tiny_chunks_, g.tiny_data.per_second);
  const uint64_t taken = transport_.acknowledged();
  const uint64_t end = output().end();
  // Both sides of a tunnel may be as slow as they like.
  if (in_tunnel() || (taken >= end && !mid_message() && !ended_)) {
    rates_.reset();
    return Watched::kFine;
  }
  if (rates_ == nullptr) rates_ = std::make_unique<Rates>();
  watch_half_closed(taken, end);
  if (over()) return Watched::kFine;
  if (rates_->answer.too_slow(taken, end, g.min_rate, g.min_rate_grace)) {
    ++stats().guard_read_rate;
    guard_ = "http1_read_rate";
    detail_ = "reads an answer more slowly than min_rate";
    return Watched::kGone;
  }
  if (awaits_body() && rates_->body.too_slow(body, g.min_rate, g.min_rate_grace)) {
    ++stats().guard_body_rate;
    refuse({408, "a body slower than min_rate"});
    guard_ = "http1_body_rate";
  }
  return Watched::kFine;
}

// An answer whose head has left cannot say it any more, and the client may have sent its next
// request already: the next answer says it.
bool ServerConnection::announce_drain(uint64_t) {
  (stream_ && stream_->head_written_ ? closes_next_ : closes_) = true;
  return false;
}

}  // namespace sluice::http1
