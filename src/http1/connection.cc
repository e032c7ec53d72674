// The receiving half of http1::Connection, and the life of its stream.

#include "http1/connection.h"

#include <algorithm>
#include <utility>

#include "http1/codec.h"
#include "http1/head.h"

namespace sluice::http1 {

Connection::Connection(const Parts& parts)
    : handler_(parts.handler), transport_(parts.stream), codec_(parts.codec) {
  credits_ = true;
}

Connection::~Connection() {
  if (stream_ != nullptr) {
    stream_->set_account(nullptr);
    codec_.destroy(stream_);
  }
  if (account_ != nullptr && (charged_buffers_ | charged_heap_) != 0)
    account_->charge(-static_cast<int32_t>(charged_buffers_), -int64_t{charged_heap_});
}

bool Connection::receive(buf::Slice data, Time now) {
  now_ = now;
  if (over()) return !failed_;  // the transport's window stays shut: the peer hears of the end
  if (input_waits()) {
    park(std::move(data));
  } else {
    read(data);
    if (data.size() > 0 && !over()) {
      if (input_ == Input::kHead) ++stats().pipelined_waits;
      park(std::move(data));
    }
  }
  charge_input();
  give_credit();
  return !failed_;
}

void Connection::resume() {
  const auto reads = [this] {
    return input_ != Input::kHeld && (input_ != Input::kHead || takes_head());
  };
  while (input_waits() && !over() && reads()) {
    // The slice stays in its place: input_waits() is asked while the slice is read.
    buf::Slice& data = waiting_->front;
    if (data.size() == 0) data = waiting_->behind.pop(UINT32_MAX);
    read(data);
    if (data.size() > 0 && !over()) break;
    data.reset();
  }
  if (waiting_ != nullptr && waiting_->empty()) waiting_.reset();
  charge_input();
  give_credit();
}

// Bytes that wait keep their part of the receive window, which bounds them.
void Connection::park(buf::Slice data) {
  if (!keep(waiting().behind, std::move(data))) {
    ++stats().memory_refusals;
    fail("no memory for requests that wait");
  }
}

bool Connection::keep(buf::Queue& queue, buf::Slice data) {
  if (data.size() <= kCopyBreak) return queue.append_copy(data.view(), memory().hold());
  data = memory().retain(std::move(data));
  if (!data) return false;
  queue.append(std::move(data));
  return true;
}

void Connection::recharge() {
  if (account_ == nullptr) return;
  const uint32_t buffers =
      waiting_ == nullptr ? 0 : waiting_->behind.slices() + (waiting_->front ? 1 : 0);
  const auto heap = static_cast<uint32_t>(section_.heap());
  if (buffers == charged_buffers_ && heap == charged_heap_) return;
  account_->charge(static_cast<int32_t>(buffers - charged_buffers_), int64_t{heap} - charged_heap_);
  charged_buffers_ = buffers;
  charged_heap_ = heap;
}

void Connection::give_credit() {
  if (taken_ > 0) transport_.consumed(std::exchange(taken_, 0));
}

void Connection::read(buf::Slice& data) {
  while (data.size() > 0 && !over()) {
    if (stream_ == nullptr && input_ != Input::kHead) [[unlikely]] {
      taken_ += data.size();  // the rest of a message whose stream is gone means nothing
      data.reset();
      return;
    }
    switch (input_) {
      case Input::kHead:
        if (!takes_head()) return;
        read_head(data);
        break;
      case Input::kLength: {
        const auto n = static_cast<uint32_t>(std::min<int64_t>(stream_->peer_left_, data.size()));
        stream_->peer_left_ -= n;
        deliver(data.split_front(n), stream_->peer_left_ == 0);
        break;
      }
      case Input::kChunked:
        read_chunked(data);
        break;
      case Input::kTrailers:
        read_trailers(data);
        break;
      case Input::kUntilClose:
      case Input::kTunnel:
        deliver(std::exchange(data, {}), false);
        break;
      case Input::kHeld:
        return;
    }
  }
}

void Connection::open_tunnel(Stream& s) {
  ++stats().tunnels;
  s.tunnel_ = Stream::Tunnel::kOpen;
  s.body_ = Stream::Body::kUntilClose;
  input_ = Input::kTunnel;
  body_looks_ = 0;
}

bool Connection::read_section(buf::Slice& data, buf::Slice& whole) {
  const uint32_t before = data.size();
  if (!section_.begun()) stalls_.unfinished_begins();
  const SectionReader::Result result = section_.read(data, config().max_header_list_size, whole);
  taken_ += before - data.size();
  switch (result) {
    case SectionReader::Result::kMore:
      return false;
    case SectionReader::Result::kWhole:
      return true;
    case SectionReader::Result::kBareLineFeed:
      refuse(bad("a line that ends in a bare LF"));
      return false;
    case SectionReader::Result::kTooLong:
      refuse({static_cast<uint16_t>(section_.has_first_line() || stream_ != nullptr ? 431 : 414),
              "a head or trailers larger than header_list_size"});
      return false;
  }
  return false;
}

void Connection::read_head(buf::Slice& data) {
  buf::Slice whole;
  if (!read_section(data, whole)) return;
  // on_head() may end the stream; the text is needed until then.
  on_head(section_.text(whole));
  section_.clear();
}

void Connection::begin_body(const Framing& framing, bool until_close,
                            ChunkedDecoder::Padding padding) {
  body_looks_ = 0;
  if (framing.chunked) {
    input_ = Input::kChunked;
    stream_->peer_.chunks.begin(padding);
  } else if (framing.length > 0) {
    input_ = Input::kLength;
    stream_->peer_left_ = framing.length;
  } else {
    input_ = until_close ? Input::kUntilClose : Input::kHead;
  }
}

void Connection::read_chunked(buf::Slice& data) {
  const uint32_t before = data.size();
  buf::Slice piece;
  const ChunkedDecoder::Event event = stream_->peer_.chunks.read(data, piece);
  taken_ += before - data.size() - piece.size();
  switch (event) {
    case ChunkedDecoder::Event::kMore:
      break;
    case ChunkedDecoder::Event::kData:
      on_chunk(piece.size(), stream_->peer_.chunks.size());
      if (!over()) deliver(std::move(piece), false);
      break;
    case ChunkedDecoder::Event::kEnd:
      input_ = Input::kTrailers;
      break;
    case ChunkedDecoder::Event::kBad:
      refuse(bad(stream_->peer_.chunks.what()));
      break;
  }
}

void Connection::read_trailers(buf::Slice& data) {
  buf::Slice whole;
  if (!read_section(data, whole)) return;
  thread_local FieldList fields;
  fields.clear();
  const Fault fault = parse_trailers(section_.text(whole), guards().header_fields, fields);
  section_.clear();
  if (fault) {
    refuse(fault);
    return;
  }
  if (fields.empty() || !stream_ || stream_->owner() == nullptr) {
    deliver({}, true);
    return;
  }
  input_ = Input::kHead;
  stream_->remote_ended_ = true;
  handler_.on_headers(*stream_, Handler::Section::kTrailers, fields, true);
  remote_end();
}

void Connection::deliver(buf::Slice piece, bool end) {
  const uint32_t n = piece.size();
  body_moved_ |= n > 0;
  body_bytes_ += n;
  if (end) input_ = Input::kHead;
  if (!stream_) {
    taken_ += n;
    return;
  }
  if (n > 0) stream_->expects_ = false;
  if (end) stream_->remote_ended_ = true;
  if (stream_->owner() != nullptr) {
    owed_ += n;
    handler_.on_data(*stream_, std::move(piece), end);
  } else {
    taken_ += n;
  }
  if (end) remote_end();
}

void Connection::remote_end() {
  if (!stream_ || stream_->closed_) return;
  stream_->remote_ended_ = true;
  const uint32_t id = stream_->id_;
  settle_end();
  if (stream_ && stream_->id_ == id) on_peer_done(*stream_);
}

void Connection::consumed(http::Stream&, uint32_t n) {
  n = std::min(n, owed_);
  if (n == 0 || failed_) return;
  owed_ -= n;
  transport_.consumed(n);
}

Stream& Connection::begin_stream() {
  stream_ = codec_.make_stream();
  ++open_;
  stream_->id_ = ++begun_;
  return *stream_;
}

void Connection::settle_end() {
  if (!stream_ || stream_->closed_ || !stream_->end_sent_ || !stream_->remote_ended_) return;
  Stream& s = *stream_;
  s.closed_ = true;
  if (s.owner() != nullptr) handler_.on_closed(s);
  drop(s);
  on_exchange_end();
}

// The rest of the owner's debt is forgiven: the body was either whole, or the connection ends.
void Connection::drop(Stream& s) {
  s.set_account(nullptr);
  --open_;
  taken_ += std::exchange(owed_, 0);
  codec_.destroy(std::exchange(stream_, nullptr));
}

void Connection::end_stream(Stream& s, EndReason reason, EndedBy by) {
  s.closed_ = true;
  if (s.owner() != nullptr) handler_.on_reset(s, reason, by);
  drop(s);
}

void Connection::for_each_stream(FunctionRef<void(http::Stream&)> fn) {
  if (stream_ && !stream_->closed_ && stream_->owner() != nullptr) fn(*stream_);
}

void Connection::fail(const char* detail, const char* guard) {
  if (failed_) return;
  failed_ = true;
  detail_ = detail;
  guard_ = guard;
  // A body that the end of the connection ends: a FIN would make the part look whole.
  if (stream_ && stream_->head_written_ && !stream_->end_sent_ &&
      stream_->body_ == Stream::Body::kUntilClose)
    ending_ = Ending::kAbort;
}

bool Connection::peer_takes_protocol(std::string_view protocol) const {
  return same_text(protocol, kWebSocket);
}

bool Connection::wants_watch() const {
  // A tunnel whose peer has ended its side reads nothing more, and still has to end.
  return section_.begun() || input_ != Input::kHead || in_tunnel() || head_late() || ended_ ||
         transport_.acknowledged() < output().end();
}

Connection::Watched Connection::watch(Time now) {
  if (over()) return Watched::kFine;
  now_ = now;
  const config::Guards& g = guards();
  if (stalls_.output_stalled(transport_.acknowledged(), output().end(), g.stall_timeout)) {
    ++stats().guard_slow_read;
    guard_ = "http1_slow_read";
    detail_ = "took nothing of what waits";
    return Watched::kGone;
  }
  if (head_late() && !section_.begun()) {
    stalls_.settings_missing();
    if (stalls_.settings_late(g.preface_timeout)) {
      ++stats().guard_no_request;
      fail("no request in time", "http1_no_request");
    }
  }
  // Where the rest of a head waits, the client has to wait for room, and not the reverse.
  if (stalls_.unfinished_stalled(section_.begun() && !input_waits(), g.headers_timeout) &&
      !failed_) {
    ++stats().guard_slow_head;
    refuse({408, "a head or trailers not complete in time"});
    guard_ = "http1_slow_head";
  }
  // Where the owner has not taken the last bytes, the peer has to wait for it. Both ends of a
  // tunnel may be silent for as long as they like, until one of them has ended its side.
  const bool silent = in_tunnel() ? stream_->end_sent_ != stream_->remote_ended_ : awaits_body();
  body_looks_ = silent && !std::exchange(body_moved_, false) ? body_looks_ + 1 : 0;
  if (!failed_ && http::StallWatch::over(body_looks_, g.stall_timeout)) {
    ++stats().guard_slow_body;
    refuse({408, "nothing of a body that is not whole"});
    guard_ = "http1_slow_body";
  }
  const uint32_t body = std::exchange(body_bytes_, 0);
  if (!failed_ && watch_rates(body) == Watched::kGone) return Watched::kGone;
  return failed_ ? Watched::kFailed : Watched::kFine;
}

}  // namespace sluice::http1
