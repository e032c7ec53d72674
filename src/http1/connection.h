#pragma once
// The common part of both roles of an HTTP/1.1 connection (RFC 9112): bodies in both directions,
// one message after the other. Sans-IO, as http::Connection says.

#include <cstdint>
#include <memory>

#include "buf/memory.h"
#include "buf/queue.h"
#include "http/stall_watch.h"
#include "http1/config.h"
#include "http1/fault.h"
#include "http1/fields.h"
#include "http1/http.h"
#include "http1/section_reader.h"
#include "http1/stream.h"
#include "stats/http1.h"
#include "transport/stream.h"

namespace sluice::http1 {

class Codec;  // http1/codec.h

// One stream at a time. HTTP/1.1 has no windows: so the connection gives the transport's receive
// window back by itself, as the owner takes the body and as the heads are read (credits()).
class Connection : public http::Connection {
 public:
  // http::Connection has the contracts.
  bool receive(buf::Slice data, Time now) final;
  void flush(uint32_t room) final;
  void send_data(http::Stream& s, buf::Slice data, bool end_stream) final;
  void consumed(http::Stream& s, uint32_t n) final;
  void reset_after_output(http::Stream& s, EndReason reason) final;
  void forget(http::Stream& s) final { drop(own(s)); }
  void for_each_stream(FunctionRef<void(http::Stream&)> fn) final;
  uint32_t streams_begun() const final { return begun_; }
  uint32_t resets_waiting() const final { return 0; }
  void release_resets() final {}
  Stream* stuck_stream() final { return nullptr; }
  uint32_t peer_max_concurrent_streams() const final { return 1; }
  uint32_t peer_max_header_list_size() const final { return UINT32_MAX; }
  bool peer_takes_protocol(std::string_view protocol) const final;
  bool ping(uint64_t) final { return false; }
  WindowFor window_for(uint64_t) const final { return WindowFor::kEnough; }
  int64_t send_window() const final { return INT64_MAX; }
  bool wants_watch() const final;
  Watched watch(Time now) final;

  // Everything referred to outlives the connection.
  struct Parts {
    Handler& handler;
    transport::Stream& stream;
    Codec& codec;
  };

 protected:
  explicit Connection(const Parts& parts);
  ~Connection();

  static Stream& own(http::Stream& s) { return static_cast<Stream&>(s); }

  // What the next received bytes are.
  enum class Input : uint8_t {
    kHead,
    kLength,
    kChunked,
    kTrailers,
    kUntilClose,
    kHeld,    // of a tunnel that is not open: nothing is read
    kTunnel,  // raw bytes
  };

  // --- Of a role ---

  // A head may be read now. If not, its bytes wait, or the connection ends.
  virtual bool takes_head() = 0;
  // A whole head.
  virtual void on_head(std::string_view text) = 0;
  // The peer broke the protocol.
  virtual void refuse(const Fault& fault) = 0;
  // Both sides of the stream have ended, and the stream is gone.
  virtual void on_exchange_end() = 0;
  // The peer's side of the stream has ended before ours.
  virtual void on_peer_done(Stream&) {}
  // Our side of the stream cannot be completed: ends the stream, with a call to the owner. The part
  // that was written must not look whole.
  virtual void break_off(Stream& s, EndedBy by) = 0;
  // The end of a flush.
  virtual void after_flush() = 0;
  virtual bool head_late() const { return false; }  // no first head yet
  // A piece of a chunk of the peer's body, or the whole chunk. The bytes of both.
  virtual void on_chunk(uint32_t /*piece*/, uint64_t /*chunk*/) {}
  // A look at a connection that moves, of watch(). body: bytes of the peer's body since the look
  // before.
  virtual Watched watch_rates(uint32_t) { return Watched::kFine; }

  // --- Input ---

  // The body of the message whose head was read.
  void begin_body(const Framing& framing, bool until_close, ChunkedDecoder::Padding padding);
  bool mid_message() const { return input_ != Input::kHead || section_.begun(); }
  bool input_waits() const { return waiting_ != nullptr && !waiting_->empty(); }
  bool in_tunnel() const { return stream_ && stream_->tunnel_ != Stream::Tunnel::kNone; }
  // The peer's body is not whole, and nobody but the peer is waited for.
  bool awaits_body() const {
    return input_ != Input::kHead && !in_tunnel() && owed_ == 0 && !input_waits();
  }
  // The peer's side of the stream has ended. Finishes the stream if ours has too.
  void remote_end();
  // The tunnel that the stream asks for is open: raw bytes both ways, until both sides end. Bytes
  // that waited move with the next flush().
  void open_tunnel(Stream& s);
  // A piece of the peer's body, and its end.
  void deliver(buf::Slice piece, bool end);
  // Reads bytes that waited.
  void resume();

  // --- Output ---

  bool over() const { return failed_ || ending_ != Ending::kNo; }
  bool write(std::string_view text);
  // trailers: nullptr for those of the stream, if there are any.
  void write_end(Stream& s, const FieldList* trailers = nullptr);
  // Sends waiting pieces of the body, and its end, as far as there is room.
  void pump(Stream& s);
  // Sends trailers, or just the end where the body cannot have any.
  void end_with_trailers(Stream& s, const FieldList& fields);

  // --- The stream ---

  Stream& begin_stream();
  // Finishes the stream if both sides have ended.
  void settle_end();
  // Takes the stream away, without a call to the owner.
  void drop(Stream& s);
  // The same with a last call.
  void end_stream(Stream& s, EndReason reason, EndedBy by);
  // No buffer was left: half a message may be in the output.
  void out_of_buffers();
  void fail(const char* detail, const char* guard = nullptr);

  // Those of the codec (http1/codec.h).
  const Config& config() const;
  buf::Memory& memory() const;
  stats::Http1& stats() const;
  const config::Guards& guards() const { return *config().guards; }
  buf::Queue& output() const { return transport_.output(); }

  Handler& handler_;
  transport::Stream& transport_;
  Codec& codec_;
  Stream* stream_ = nullptr;  // of the codec; only while there is an exchange
  SectionReader section_;
  int64_t room_ = 0;
  uint32_t begun_ = 0;
  Input input_ = Input::kHead;
  bool ended_ = false;  // server role: the client's FIN has come behind a whole request

 private:
  void read(buf::Slice& data);
  void read_head(buf::Slice& data);
  void read_trailers(buf::Slice& data);
  void read_chunked(buf::Slice& data);
  // False when the section is not whole, or bad. whole: as SectionReader::read() has it.
  bool read_section(buf::Slice& data, buf::Slice& whole);
  // Received bytes that were not read.
  struct Waiting {
    bool empty() const { return front.size() == 0 && behind.empty(); }
    buf::Slice front;
    buf::Queue behind;
  };
  void park(buf::Slice data);
  Waiting& waiting() {
    if (waiting_ == nullptr) waiting_ = std::make_unique<Waiting>();
    return *waiting_;
  }
  void give_credit();
  void emit(Stream& s, buf::Slice piece, bool end);
  // Bytes of a chunk's or a body's frame. False: no memory.
  bool frame(Stream& s, uint64_t n);
  bool keep(buf::Queue& queue, buf::Slice data);
  void charge_input() {
    if (input_waits() || section_.begun() || (charged_buffers_ | charged_heap_) != 0) recharge();
  }
  void recharge();

  std::unique_ptr<Waiting> waiting_;  // most connections never have any
  uint32_t taken_ = 0;                // bytes that were read and not credited
  uint32_t owed_ = 0;  // bytes of the body that the owner has, and that were not credited
  uint32_t charged_buffers_ = 0;
  uint32_t charged_heap_ = 0;
  http::StallWatch stalls_;
  uint32_t body_bytes_ = 0;  // of the peer's body since the last look
  uint16_t body_looks_ = 0;  // in a row that found a body that did not move
  bool body_moved_ = false;
};

}  // namespace sluice::http1
