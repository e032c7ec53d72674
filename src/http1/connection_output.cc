// The sending half of http1::Connection: bodies, their ends and trailers (RFC 9112, 6 and 7).

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "http1/codec.h"
#include "http1/connection.h"
#include "http1/head_writer.h"

namespace sluice::http1 {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kLastChunk = "0\r\n";
// The quantum of a chunk that is made of queued pieces.
constexpr uint64_t kLargestChunk = 65'536;

}  // namespace

bool Connection::write(std::string_view text) {
  if (output().append_copy({reinterpret_cast<const uint8_t*>(text.data()), text.size()},
                           memory().hold())) {
    room_ -= static_cast<int64_t>(text.size());
    return true;
  }
  out_of_buffers();
  return false;
}

void Connection::out_of_buffers() {
  ++stats().memory_refusals;
  fail("no memory for a head or a chunk");
}

void Connection::send_data(http::Stream& stream, buf::Slice data, bool end) {
  Stream& s = own(stream);
  if (over() || s.closed_ || s.end_queued_) return;
  s.end_queued_ = end;
  const uint32_t id = s.id_;
  if (room_ > 0 && s.queued() == 0 && s.body_ != Stream::Body::kHeld) {
    emit(s, std::move(data), end);
  } else if (data.size() > 0) {
    if (s.data_ == nullptr) s.data_ = std::make_unique<buf::Queue>();
    if (!keep(*s.data_, std::move(data))) {
      ++stats().memory_refusals;
      break_off(s, EndedBy::kMemory);
      return;
    }
    s.settle();
  }
  if (stream_ && stream_->id_ == id) settle_end();
}

bool Connection::frame(Stream& s, uint64_t n) {
  switch (s.body_) {
    case Stream::Body::kNone:
    case Stream::Body::kUntilClose:
    case Stream::Body::kHeld:
      return true;
    case Stream::Body::kLength:
      s.body_left_ -= static_cast<int64_t>(n);
      return s.body_left_ >= 0;
    case Stream::Body::kChunked: {
      std::array<char, 18> line;
      char* end = std::to_chars(line.data(), line.data() + 16, n, 16).ptr;
      *end++ = '\r';
      *end++ = '\n';
      return write({line.data(), end});
    }
  }
  return true;
}

void Connection::emit(Stream& s, buf::Slice piece, bool end) {
  const uint32_t n = piece.size();
  const uint32_t id = s.id_;
  if (n > 0) {
    body_moved_ = true;
    if (!frame(s, n)) {
      if (!failed_) break_off(s, EndedBy::kProtocol);  // longer than its Content-Length
      return;
    }
    if (s.body_ != Stream::Body::kNone) {
      if (!keep(output(), std::move(piece))) {
        out_of_buffers();
        return;
      }
      room_ -= n;
      if (s.body_ == Stream::Body::kChunked && !write(kLineEnd)) return;
    }
  }
  if (end) write_end(s);
  if (failed_ || n == 0 || !stream_ || stream_->id_ != id) return;
  if (s.owner() != nullptr) handler_.on_sent(s, n);
}

void Connection::write_end(Stream& s, const FieldList* trailers) {
  if (s.body_ == Stream::Body::kLength && s.body_left_ > 0) {
    break_off(s, EndedBy::kProtocol);  // shorter than its Content-Length
    return;
  }
  if (s.body_ == Stream::Body::kChunked) {
    HeadText& text = HeadText::scratch();
    text.add(kLastChunk);
    static const FieldList kNoFields;
    if (trailers == nullptr) trailers = s.trailers_.get();
    write_trailers(text, trailers != nullptr ? *trailers : kNoFields);
    if (!write(text.view())) return;
    if (s.trailers_ != nullptr) {
      s.trailers_.reset();
      s.settle();
    }
  }
  s.end_sent_ = true;
  // The end of one direction of a tunnel is a FIN, and the other direction goes on.
  if (s.tunnel_ == Stream::Tunnel::kOpen) transport_.close();
}

void Connection::end_with_trailers(Stream& s, const FieldList& fields) {
  s.end_queued_ = true;
  const bool chunked = s.body_ == Stream::Body::kChunked;
  if (!chunked) stats().trailers_dropped.add(fields.count());
  // Of a body that is too short, flush() ends the stream: the caller may still refer to it.
  if (s.body_ == Stream::Body::kLength && s.body_left_ > 0) return;
  if (s.queued() == 0 && s.body_ != Stream::Body::kHeld) {
    const uint32_t id = s.id_;
    write_end(s, &fields);
    if (stream_ && stream_->id_ == id) settle_end();
  } else if (chunked) {
    s.trailers_ = std::make_unique<FieldList>(fields);
    s.settle();
  }
}

void Connection::pump(Stream& s) {
  if (s.body_ == Stream::Body::kHeld) return;
  const uint32_t id = s.id_;
  while (room_ > 0 && !over() && s.queued() > 0) {
    const uint64_t total = std::min({s.queued(), static_cast<uint64_t>(room_), kLargestChunk});
    if (!frame(s, total)) {
      if (!failed_) break_off(s, EndedBy::kProtocol);
      return;
    }
    for (uint64_t left = total; left > 0;) {
      buf::Slice piece = s.data_->pop(static_cast<uint32_t>(left));
      left -= piece.size();
      if (s.body_ != Stream::Body::kNone) output().append(std::move(piece));
    }
    s.settle();
    room_ -= static_cast<int64_t>(total);
    body_moved_ = true;
    if (s.body_ == Stream::Body::kChunked && !write(kLineEnd)) return;
    if (s.owner() != nullptr) handler_.on_sent(s, static_cast<uint32_t>(total));
    if (!stream_ || stream_->id_ != id) return;  // the owner ended the stream
  }
  if (s.tunnel_ == Stream::Tunnel::kOpen && s.queued() == 0) s.data_.reset();
  if (s.queued() == 0 && s.end_queued_ && !s.end_sent_ && !over()) write_end(s);
  if (stream_ && stream_->id_ == id) settle_end();
}

void Connection::flush(uint32_t room) {
  room_ = room;
  if (!over() && stream_ && stream_->head_written_) pump(*stream_);
  after_flush();
  charge_input();
  give_credit();
}

void Connection::reset_after_output(http::Stream& stream, EndReason) {
  Stream& s = own(stream);
  if (s.closed_) return;
  s.set_owner(nullptr);
  s.left_ = true;
}

}  // namespace sluice::http1
