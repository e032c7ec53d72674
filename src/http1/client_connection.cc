#include "http1/client_connection.h"

#include <string>

#include "http/validation.h"
#include "http1/codec.h"
#include "http1/head.h"
#include "http1/head_writer.h"

namespace sluice::http1 {

void ClientConnection::release() {
  codec_.destroy(this);
}

void ClientConnection::start() {
  room_ = 65'535;
  handler_.on_settings();
}

Stream* ClientConnection::open(const FieldList& request, bool end, void* owner, uint64_t) {
  if (!can_open()) return nullptr;
  Stream& s = begin_stream();
  s.set_owner(owner);
  informational_ = 0;
  s.expects_ = !end && request.has(Name::kExpect);
  const std::string_view method = request.find(Name::kMethod).value_or("");
  s.to_head_ = method == "HEAD";
  s.end_queued_ = end;
  s.head_written_ = true;
  s.head_position_ = output().end();
  HopFields hop;
  const NamedHost host = named_host(request);
  hop.host = host.text;
  std::string address;
  if (hop.host.empty()) {
    // Many servers refuse an empty Host, though RFC 9112, 3.2 has it for a request without one.
    address = transport_.peer().str();
  } else if (!host.valid) {
    address = in_brackets(hop.host);  // not empty: see carries()
  }
  if (!address.empty()) hop.host = address;
  WebSocketKey key;
  const auto length = request.find(Name::kContentLength);
  if (method == "CONNECT") {
    // A pod that refuses the tunnel would read the bytes behind this head as a request.
    s.tunnel_ = Stream::Tunnel::kAsked;
    s.body_ = Stream::Body::kHeld;
    hop.no_length = true;
    s.websocket_ = request.has(Name::kProtocol);
    if (s.websocket_) {
      key = codec_.make_key();
      s.peer_.accept = accept_of(view(key));
      hop.websocket_key = view(key);
    }
  } else if (length) {
    s.body_ = Stream::Body::kLength;
    for (const char c : *length) s.body_left_ = s.body_left_ * 10 + (c - '0');
  } else if (end) {
    // RFC 9110, 8.6: methods that give a meaning to a body say that there is none.
    hop.empty = method == "POST" || method == "PUT" || method == "PATCH";
  } else {
    s.body_ = Stream::Body::kChunked;
    hop.chunked = true;
  }
  HeadText& text = HeadText::scratch();
  write_request(text, request, hop);
  if (!write(text.view())) return &s;
  if (end && s.tunnel_ == Stream::Tunnel::kNone) s.end_sent_ = true;
  return &s;
}

bool ClientConnection::carries(const FieldList& request) const {
  const NamedHost host = named_host(request);
  return host.text.empty() || host.valid || !in_brackets(host.text).empty();
}

// Only trailers can follow the head of open().
void ClientConnection::send_headers(http::Stream& stream, const FieldList& fields, bool) {
  Stream& s = own(stream);
  if (over() || s.closed_ || s.end_queued_) return;
  end_with_trailers(s, fields);
}

// HTTP/1.1 cancels a request only by the end of the connection.
void ClientConnection::reset(http::Stream& stream, EndReason) {
  Stream& s = own(stream);
  if (s.closed_) return;
  drop(s);
  if (!over()) ending_ = Ending::kAbort;
}

bool ClientConnection::stale(const http::Stream& s, bool was_idle) const {
  return (was_idle || s.id() > 1 || unasked_) && stream_ && !stream_->answered_ &&
         !section_.begun() && informational_ == 0;
}

// A pod that answers has acknowledged the request's first byte. Bytes that it sent before belong to
// no request, and above all not to the one that was sent meanwhile.
bool ClientConnection::takes_head() {
  if (stream_ && transport_.acknowledged() > stream_->head_position_) return true;
  if (!over()) {
    ++stats().unasked_bytes;
    unasked_ = true;
    fail("bytes that no request asked for");
  }
  return false;
}

void ClientConnection::on_head(std::string_view text) {
  thread_local FieldList fields;  // scratch; the owner may swap its storage away
  fields.clear();
  ResponseHead head;
  if (const Fault fault =
          parse_response(text, guards().header_fields, codec_.sections(), fields, head)) {
    refuse(fault);
    return;
  }
  if (fields.size() > config().max_header_list_size) {
    refuse({431, "a field list larger than header_list_size"});
    return;
  }
  Stream& s = *stream_;
  const uint32_t id = s.id_;
  if (s.tunnel_ == Stream::Tunnel::kAsked && on_tunnel_answer(s, head, fields)) return;
  if (head.status == 101) {
    refuse(bad("a 101 that no request asked for"));
    return;
  }
  if (head.status < 200) {
    if (head.status == 100) s.expects_ = false;
    if (++informational_ > kMostInformational) {
      refuse(bad("too many informational answers"));
    } else if (s.owner() != nullptr) {
      handler_.on_headers(s, Handler::Section::kInformational, fields, false);
    }
    return;
  }
  s.answered_ = true;
  // Behind an answer instead of 100, a pod may take the body for its next request (RFC 9110,
  // 10.1.1).
  keeps_ = head.keep && !s.expects_;
  if (head.keep_seconds > 0) peer_keeps_idle_ = std::chrono::seconds(head.keep_seconds);
  const bool bodiless = s.to_head_ || head.status == 204 || head.status == 304;
  if (!bodiless) {
    begin_body(head.framing, !head.framing.chunked && head.framing.length < 0,
               ChunkedDecoder::Padding::kTaken);
  } else if (head.status == 204 && (head.framing.chunked || head.framing.length > 0)) {
    keeps_ = false;  // RFC 9110, 8.6 and RFC 9112, 6.1 forbid it: a body may follow after all
  }
  if (input_ == Input::kUntilClose) keeps_ = false;
  const bool end = input_ == Input::kHead;
  s.remote_ended_ = end;
  const auto section = s.tunnel_ == Stream::Tunnel::kIgnored ? Handler::Section::kDeclined
                                                             : Handler::Section::kResponse;
  if (s.owner() != nullptr) handler_.on_headers(s, section, fields, end);
  if (end && stream_ && stream_->id_ == id) remote_end();
}

// False: the answer opens no tunnel, or is not the last one.
bool ClientConnection::on_tunnel_answer(Stream& s, const ResponseHead& head, FieldList& fields) {
  if (head.status >= 300 || (head.status < 200 && head.status != 101)) return false;
  const bool opened = s.websocket_
                          ? head.status == 101 && head.websocket_accept == view(s.peer_.accept)
                          : head.status >= 200;
  if (s.websocket_ && head.status >= 200) {
    s.tunnel_ = Stream::Tunnel::kIgnored;
    return false;
  }
  if (!opened) {
    // For the owner, any 2xx opens a tunnel.
    refuse(bad(s.websocket_ ? "no answer to Upgrade" : "a 101 to CONNECT"));
    return true;
  }
  s.answered_ = true;
  keeps_ = false;
  open_tunnel(s);
  if (s.owner() == nullptr) return true;
  if (!fields.has(Name::kContentLength)) {
    handler_.on_headers(s, Handler::Section::kResponse, fields, false);
    return true;
  }
  // It has no meaning here (RFC 9110, 9.3.6), and would measure the tunnel's bytes.
  FieldList without;
  for (const Field f : fields)
    if (f.id != Name::kContentLength) without.add(f.name, f.value, f.id);
  handler_.on_headers(s, Handler::Section::kResponse, without, false);
  return true;
}

void ClientConnection::refuse(const Fault& fault) {
  if (over()) return;
  const bool too_large = fault.status == 414 || fault.status == 431;
  ++(too_large ? stats().guard_head_size : stats().broken_answers);
  if (stream_)
    end_stream(*stream_, EndReason::kProtocolError,
               too_large ? EndedBy::kTooLarge : EndedBy::kProtocol);
  fail(fault.what, too_large ? "http1_head_size" : nullptr);
}

void ClientConnection::on_exchange_end() {
  if (over()) return;
  if (keeps_) {
    handler_.on_settings();  // it takes the next request
  } else {
    ending_ = Ending::kClose;
  }
}

// The answer is whole, and the rest of the request was not wanted. The pod may still wait for it,
// or take it for the next request.
void ClientConnection::on_peer_done(Stream& s) {
  if (s.tunnel_ == Stream::Tunnel::kOpen) return;  // half-closed
  ++stats().early_answers;
  ending_ = Ending::kAbort;
  end_stream(s, EndReason::kNoError, EndedBy::kPeer);
}

void ClientConnection::break_off(Stream& s, EndedBy by) {
  ending_ = Ending::kAbort;
  end_stream(s, EndReason::kInternalError, by);
}

// The end of the connection ends a body without a length (RFC 9112, 6.3).
bool ClientConnection::end_of_input() {
  if (over()) return false;
  if (input_ == Input::kTunnel) {
    deliver({}, true);
    return true;
  }
  if (stream_ && input_ == Input::kUntilClose) deliver({}, true);
  if (!stream_ && !over()) ending_ = Ending::kClose;
  return false;
}

}  // namespace sluice::http1
