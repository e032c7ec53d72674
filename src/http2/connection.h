#pragma once
// One HTTP/2 connection (RFC 9113), either role: frames, HPACK, the stream table, flow control and
// guards. Sans-IO: received bytes go in as slices; frames come out at the end of the output of a
// transport::Stream.

#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>

#include "base/chrono.h"
#include "base/list.h"
#include "base/slab.h"
#include "buf/memory.h"
#include "buf/queue.h"
#include "config/guards.h"
#include "http/stall_watch.h"
#include "http2/allowance.h"
#include "http2/config.h"
#include "http2/connection_receive_window.h"
#include "http2/connection_send_window.h"
#include "http2/early_ends.h"
#include "http2/error_code.h"
#include "http2/field_block.h"
#include "http2/frame.h"
#include "http2/frame_reader.h"
#include "http2/guard_notes.h"
#include "http2/hpack/decoder.h"
#include "http2/hpack/encoder.h"
#include "http2/http.h"
#include "http2/open_frame.h"
#include "http2/peer_settings.h"
#include "http2/recent_ids.h"
#include "http2/stream_table.h"
#include "http2/unnumbered_streams.h"
#include "http2/unread_answers.h"
#include "http2/waiting_resets.h"
#include "stats/http2.h"
#include "transport/stream.h"

namespace sluice::http2 {

class Codec;  // http2/codec.h

class Connection final : public http::Connection {
 public:
  // Everything referred to outlives the connection. Frames go to the end of the stream's output.
  Connection(Role role, const Config& config, Handler& handler, transport::Stream& stream,
             buf::Memory& memory, stats::Http2& stats, Slab<Stream>& streams, hpack::Shared& hpack);
  // Frees the streams without a call to the handler.
  ~Connection();
  Connection(const Connection&) = delete;

  // http::Connection has the contracts. At the start a client queues preface, SETTINGS and the
  // connection's window. A server queues its SETTINGS and window once it has the client's preface:
  // a client that speaks HTTP/1 or TLS would not understand them, and is answered in its own
  // protocol.
  void start() override;
  bool receive(buf::Slice data, Time now) override;
  // Exceeds `room` by one frame at most.
  void flush(uint32_t room) override;
  // Frames wait that more room would let out.
  bool wants_flush() const { return !ready_.empty(); }

  // Client role: so many RST_STREAM may wait. With more, no stream is opened.
  static constexpr uint32_t kMaxWaitingResets = 4'096;
  Stream* open(const FieldList& request, bool end_stream, void* owner, uint64_t payer = 0) override;
  bool can_open() const override {
    return !failed_ && !peer_going_away_ && next_id_ <= kMaxStreamId &&
           (waiting_resets_.empty() ? open_ < peer_.max_streams : can_open_beside_resets());
  }
  WindowFor window_for(uint64_t payer) const override {
    return send_window_.shares() == nullptr ? WindowFor::kEnough : look_for_window(payer);
  }
  int64_t send_window() const override { return send_window_.left(); }
  // The number of ids that were used: at most 2^30 (5.1.1).
  uint32_t streams_begun() const override {
    return role_ == Role::kClient ? next_id_ / 2 : (last_peer_id_ + 1) / 2;
  }
  Stream* stuck_stream() override {
    return limit_blocked_.empty() ? nullptr : &limit_blocked_.back();
  }
  uint32_t peer_max_concurrent_streams() const override { return peer_.max_streams; }
  bool settings_received() const { return peer_.received; }
  uint32_t peer_max_header_list_size() const override { return peer_.max_header_list_size; }
  bool peer_takes_protocol(std::string_view) const override { return peer_.takes_extended_connect; }

  void send_headers(http::Stream& s, const FieldList& fields, bool end_stream) override;
  void send_data(http::Stream& s, buf::Slice data, bool end_stream) override;
  void reset(http::Stream& s, EndReason reason) override { reset(s, code_of(reason)); }
  void reset(http::Stream& s, ErrorCode code);
  uint32_t resets_waiting() const override { return waiting_resets_.size(); }
  void release_resets() override;
  // Sends no frame: RST_STREAM on a stream that the peer regards as idle would be an error, and
  // counts as an attack.
  void forget(http::Stream& s) override { close(own(s)); }
  void reset_after_output(http::Stream& s, EndReason reason) override {
    reset_after_output(s, code_of(reason));
  }
  void reset_after_output(http::Stream& s, ErrorCode code);
  // The owner took n bytes: the stream's receive window opens.
  void consumed(http::Stream& s, uint32_t n) override;

  bool ping(uint64_t opaque) override;
  // A last_stream_id of 2^31-1 only announces a drain (6.8).
  void goaway(uint32_t last_stream_id, ErrorCode code, std::string_view debug = {});
  // Server role, after the final GOAWAY: discards requests above its last id.
  void refuse_new_streams() { refusing_ = true; }
  uint32_t last_peer_stream_id() const { return last_peer_id_; }
  bool announce_drain(uint64_t opaque) override;
  void drain() override;

  void for_each_stream(FunctionRef<void(http::Stream&)> fn) override;
  // As above, with fn(http2::Stream&).
  template <class Fn>
  requires(!std::is_invocable_v<Fn, http::Stream&>) void for_each_stream(Fn&& fn) {
    for_each_stream(FunctionRef<void(http::Stream&)>([&fn](http::Stream& s) { fn(own(s)); }));
  }

  // Bytes that wait for the peer, in the streams and in the output. Walks the streams.
  struct Held {
    uint64_t bytes = 0;
    uint64_t buffers = 0;  // packet buffers that the bytes pin, in whatever form
  };
  Held held() const;

  void set_account(buf::Account* account) override;

  bool wants_watch() const override;
  Watched watch(Time now) override;

  ErrorCode error() const { return error_; }

 private:
  friend class Codec;

  static Stream& own(http::Stream& s) { return static_cast<Stream&>(s); }
  void release() override;

  // Sends the first frames (connection_preface.cc).
  void greet();
  bool on_preface(buf::Slice& data);
  bool on_first_line(buf::Slice& data);
  // Answers a peer that does not speak HTTP/2, and ends the connection. False, as fail().
  bool refuse(std::string_view answer, stats::Counter& counter, const char* detail);

  bool can_open_beside_resets() const;

  // Input.
  bool fail(ErrorCode code, const char* detail);
  const config::Guards& guards() const { return *config_.guards; }
  // The frame that is being received.
  const FrameHeader& frame() const { return reader_.frame(); }
  bool on_frame_header();
  bool on_frame(buf::View payload);
  bool on_collected_frame();
  bool on_data_begin();
  bool on_pad_length(buf::Slice& data);
  bool on_data_piece(buf::Slice piece);
  bool on_data_end();
  bool on_headers_frame(buf::View payload);
  bool on_block(buf::View block);
  bool on_request_block(uint32_t id, FieldList& fields, bool too_large, bool end);
  // Opens a new stream of the peer; nullptr when the stream was refused.
  Stream* admit(uint32_t id, bool end);
  // Answers a request that the owner never sees. False after a connection error.
  bool answer(uint32_t id, const FieldList& fields, bool request_ended);
  bool on_response_block(Stream& s, FieldList& fields, bool end);
  bool on_rst(buf::View payload);
  bool on_priority(buf::View payload);
  bool on_priority_update(buf::View payload);
  bool on_settings_frame(buf::View payload);
  // The peer's initial window became larger by so many bytes, or smaller.
  bool move_windows(int64_t change);
  bool on_ping_frame(buf::View payload);
  bool on_goaway_frame(buf::View payload);
  bool on_window_update(buf::View payload);
  // A WINDOW_UPDATE of a pod that opens a window no further than it was before.
  bool gives_back(uint32_t n) const;
  void stream_error(Stream& s, ErrorCode code, EndedBy by);
  // The peer broke the protocol on the stream; `what` says how, for the log.
  void stream_error(Stream& s, ErrorCode code, const char* what);
  // Charges for the memory of an unfinished frame and field block. False when the account does not
  // allow it and the connection has failed.
  bool settle_partial();
  // A client is told ENHANCE_YOUR_CALM. A pod did nothing to deserve that.
  ErrorCode out_of_memory() const {
    return role_ == Role::kServer ? ErrorCode::kEnhanceYourCalm : ErrorCode::kInternalError;
  }
  // Ends the connection, as the action of a guard. False, as fail().
  bool trip(stats::Counter& counter, const char* guard, const char* detail);
  // Uses a token of the peer's allowance. False when there was none and the connection has failed.
  bool spend(Allowance::Kind kind);
  // As spend(), for DATA and HEADERS of a stream; nullptr: the stream is over. On a pod's
  // connection each stream has an allowance of its own, since a client may have chosen a call that
  // makes the pod send such frames, and the other clients share the connection. There the stream
  // ends instead of the connection. False when the connection has failed.
  bool spend_on(Stream* s, Allowance::Kind kind);
  bool spend_at_origin(Allowance::Kind kind);
  // Server role: set the limit of streams, before the first stream and when streams end early.
  void begin_stream_limit();
  void set_stream_limit();
  // Reports `n` to the owner, once. what: a text in place of the guard's own.
  void note(Note n, const char* what = nullptr);
  // The field block that is being received has more frames or bytes (`size`) than `limit`. A
  // client's connection fails. Of a pod only the stream ends, and the block is still read, since
  // HPACK's table needs it, up to kReadAnyway times the limit. False when the connection has
  // failed.
  static constexpr uint64_t kReadAnyway = 16;
  bool bear_block(Note n, uint64_t size, uint64_t limit);
  // Counts the fields without a name in a malformed section; false when there were too many.
  bool count_empty_names(const FieldList& fields);
  // A client made us reset one more stream; false when that happens too often.
  bool provoked();
  bool idle(uint32_t id) const;
  // DATA, or HEADERS with `fields`, came for a stream that is over. Frames that the sender could
  // not know to be late are free: after our RST_STREAM, DATA and one END_STREAM. Other frames are
  // discarded and counted. False after a connection error.
  bool on_late_frame(uint32_t id, const FieldList* fields);
  void remote_end(Stream& s);

  // Output. False when there is no memory for a frame and the connection has failed.
  uint8_t* emit_copy(const FrameHeader& header, buf::View payload);
  bool out_of_buffers(const char* detail);
  bool emit(FrameType type, uint8_t flags, uint32_t stream, buf::View payload);
  bool emit_control(FrameType type, uint8_t flags, uint32_t stream, buf::View payload);
  // ended: our END_STREAM was sent. Toward a pod the RST_STREAM may have to wait.
  void emit_rst(uint32_t stream, ErrorCode code, bool ended = false);
  void write_rst(uint32_t stream, ErrorCode code);
  // The peer ended the stream: both sides (wholly), or its own side.
  void forget_waiting_reset(uint32_t stream, bool wholly);
  void emit_window_update(uint32_t stream, uint32_t n);
  bool emit_headers(Stream& s, const FieldList& fields, bool end);
  // Frames one frame of the stream. False when the stream has nothing that can leave now.
  bool frame_one(Stream& s);
  bool frame_data(Stream& s, buf::Slice piece, bool end);
  // False when the stream or the connection ends for dribbled DATA.
  bool dribbled(Stream& s);
  // connection_shares.cc
  void charge(Stream& s);
  bool held_by_share(const Stream& s) const;
  void on_credit();
  void on_share_change(Stream& s);
  WindowFor look_for_window(uint64_t payer) const;
  void make_ready(Stream& s);
  void after_output(Stream& s);
  void file_waiting(Stream& s);
  void finish_reset(Stream& s);
  void finish(Stream& s);
  void close(Stream& s);
  // Removes the stream from all tables. So a callback that calls anything may follow; destroy()
  // comes after the callback.
  void detach(Stream& s);
  bool windows_grow() const { return config_.max_stream_window > config_.initial_stream_window; }
  void announce(Stream& s);
  bool unfinished_input() const { return reader_.unfinished() || block_.open(); }
  void watch_streams(Duration limit);

  Role role_;
  uint32_t settings_unacknowledged_ = 0;  // SETTINGS of ours that have no ACK yet
  bool refusing_ = false;
  bool peer_going_away_ = false;
  ErrorCode error_ = ErrorCode::kNoError;

  const Config config_;  // a copy: a reload does not change what was announced to the peer
  Handler& handler_;
  transport::Stream& stream_;
  buf::Queue& output_;  // of stream_
  buf::Memory& memory_;
  stats::Http2& stats_;
  Slab<Stream>& slab_;
  Codec* codec_ = nullptr;  // the connection's codec; nullptr: an owner without a codec

  FrameReader reader_;
  FieldBlock block_;
  size_t charged_ = 0;  // bytes of heap, of both

  ConnectionSendWindow send_window_;
  ConnectionReceiveWindow receive_window_;
  Duration round_trip_{};  // the least that the owner reported; zero: none
  PeerSettings peer_;

  StreamTable table_;
  List<Stream> ready_;            // can be framed, given room
  List<Stream> window_blocked_;   // wait for the connection's send window
  List<Stream> share_blocked_;    // wait, since their payer has its share of the window
  List<Stream> limit_blocked_;    // of unnumbered_: wait for a limit, or find no id
  UnnumberedStreams unnumbered_;  // client role
  WaitingResets waiting_resets_;  // client role
  uint32_t next_id_;
  uint32_t last_peer_id_ = 0;  // the highest that was looked at: GOAWAY names it
  RecentIds ids_;              // of the side that opens streams, discarded ids included
  int64_t room_ = 0;
  OpenFrame open_frame_;  // until flush()
  UnreadAnswers unread_answers_;
  Allowance allowance_;
  OriginLoan loan_;
  EarlyEnds early_ends_;
  uint32_t stream_limit_;  // streams that the client may have open now
  GuardNotes notes_;

  StallWatch stalls_;
  bool data_waits_ = false;  // some stream may have DATA that the peer's window delays

  hpack::Decoder decoder_;
  hpack::Encoder encoder_;
};

}  // namespace sluice::http2
