#pragma once
// One HTTP/2 connection (RFC 9113), either role: frames, HPACK, the stream table, flow control and
// guards. Sans-IO: received bytes go in as slices; frames come out at the end of the output of a
// transport::Stream.

#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/chrono.h"
#include "base/list.h"
#include "base/slab.h"
#include "buf/memory.h"
#include "buf/queue.h"
#include "config/guards.h"
#include "http2/allowance.h"
#include "http2/config.h"
#include "http2/connection_receive_window.h"
#include "http2/connection_send_window.h"
#include "http2/early_ends.h"
#include "http2/error_code.h"
#include "http2/field_block.h"
#include "http2/frame.h"
#include "http2/frame_reader.h"
#include "http2/hpack/decoder.h"
#include "http2/hpack/encoder.h"
#include "http2/http.h"
#include "http2/open_frame.h"
#include "http2/recent_ids.h"
#include "http2/stall_watch.h"
#include "http2/stream_table.h"
#include "http2/unread_answers.h"
#include "stats/http2.h"
#include "transport/stream.h"

namespace sluice::http2 {

class Codec;  // http2/codec.h

class Connection final : public http::Connection {
 public:
  // Everything referred to outlives the connection. Frames go to the end of the stream's
  // output.
  Connection(Role role, const Config& config, Handler& handler, transport::Stream& stream,
             buf::Memory& memory, stats::Http2& stats, Slab<Stream>& streams, hpack::Shared& hpack);
  // Frees the streams without a word to the handler.
  ~Connection();
  Connection(const Connection&) = delete;

  // http::Connection has the contracts. A client queues preface, SETTINGS and the connection's
  // window at the start. A server says so once it has the client's preface: a client that speaks
  // HTTP/1 or TLS would not understand it, and is answered in its own protocol.
  void start() override;
  bool receive(buf::Slice data, Time now) override;
  // One frame more than `room` at most.
  void flush(uint32_t room) override;
  // Something waits that more room would let out.
  bool wants_flush() const { return !ready_.empty(); }

  // Client role: so many RST_STREAM may wait; then no stream is opened.
  static constexpr uint32_t kMaxWaitingResets = 4'096;
  Stream* open(const FieldList& request, bool end_stream, void* owner, uint64_t payer = 0) override;
  bool can_open() const override {
    return !failed_ && !peer_going_away_ && next_id_ <= kMaxStreamId &&
           (waiting_resets_.empty() ? open_ < peer_max_streams_ : can_open_beside_resets());
  }
  WindowFor window_for(uint64_t payer) const override {
    return send_window_.shares() == nullptr ? WindowFor::kEnough : look_for_window(payer);
  }
  int64_t send_window() const override { return send_window_.left(); }
  // Ids that were used; they end at 2^30 (5.1.1).
  uint32_t streams_begun() const override {
    return role_ == Role::kClient ? next_id_ / 2 : (last_peer_id_ + 1) / 2;
  }
  Stream* stuck_stream() override {
    return limit_blocked_.empty() ? nullptr : &limit_blocked_.back();
  }
  uint32_t peer_max_concurrent_streams() const override { return peer_max_streams_; }
  bool settings_received() const { return settings_received_; }
  uint32_t peer_max_header_list_size() const override { return peer_max_header_list_size_; }
  bool peer_takes_extended_connect() const override { return peer_takes_extended_connect_; }

  void send_headers(http::Stream& s, const FieldList& fields, bool end_stream) override;
  void send_data(http::Stream& s, buf::Slice data, bool end_stream) override;
  void reset(http::Stream& s, EndReason reason) override { reset(s, code_of(reason)); }
  void reset(http::Stream& s, ErrorCode code);
  uint32_t resets_waiting() const override { return static_cast<uint32_t>(waiting_resets_.size()); }
  void release_resets() override;
  // No frame: RST_STREAM on what is idle to the peer would be an error, and counts as an attack.
  void forget(http::Stream& s) override { close(own(s)); }
  void reset_after_output(http::Stream& s, EndReason reason) override {
    reset_after_output(s, code_of(reason));
  }
  void reset_after_output(http::Stream& s, ErrorCode code);
  // The stream's receive window opens.
  void consumed(http::Stream& s, uint32_t n) override;

  bool ping(uint64_t opaque) override;
  // last_stream_id 2^31-1 only announces (6.8).
  void goaway(uint32_t last_stream_id, ErrorCode code, std::string_view debug = {});
  // Server role, after the final GOAWAY: requests above its last id are discarded.
  void refuse_new_streams() { refusing_ = true; }
  uint32_t last_peer_stream_id() const { return last_peer_id_; }
  bool announce_drain(uint64_t opaque) override;
  void drain() override;

  void for_each_stream(FunctionRef<void(http::Stream&)> fn) override;
  // The same with fn(http2::Stream&).
  template <class Fn>
  requires(!std::is_invocable_v<Fn, http::Stream&>) void for_each_stream(Fn&& fn) {
    for_each_stream(FunctionRef<void(http::Stream&)>([&fn](http::Stream& s) { fn(own(s)); }));
  }

  // Bytes that wait for the peer to take them: in streams, and in the output. Walks the streams.
  struct Held {
    uint64_t bytes = 0;
    uint64_t buffers = 0;  // packet buffers that the bytes pin, in whatever form
  };
  Held held() const;

  bool wants_watch() const override;
  Watched watch(Time now) override;

  ErrorCode error() const { return error_; }

 private:
  friend class Codec;

  static Stream& own(http::Stream& s) { return static_cast<Stream&>(s); }
  void release() override;

  // Before the first frame (connection_preface.cc).
  void greet();
  bool on_preface(buf::Slice& data);
  bool on_first_line(buf::Slice& data);
  // The last thing that is said to somebody who does not speak HTTP/2. False, as fail().
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
  // A new stream of the peer; nullptr when it was refused.
  Stream* admit(uint32_t id, bool end);
  // A request that the owner never sees. False after a connection error.
  bool answer(uint32_t id, const FieldList& fields, bool request_ended);
  bool on_response_block(Stream& s, FieldList& fields, bool end);
  bool on_rst(buf::View payload);
  bool on_priority(buf::View payload);
  bool on_priority_update(buf::View payload);
  bool on_settings_frame(buf::View payload);
  bool set_initial_window(uint32_t bytes);
  bool on_ping_frame(buf::View payload);
  bool on_goaway_frame(buf::View payload);
  bool on_window_update(buf::View payload);
  // WINDOW_UPDATE of a pod that opens a window no further than it was.
  bool gives_back(uint32_t n) const;
  void stream_error(Stream& s, ErrorCode code, EndedBy by);
  // The peer broke the protocol on the stream; `what` says how, for the log.
  void stream_error(Stream& s, ErrorCode code, const char* what);
  // Charges for what is kept of an unfinished frame and field block. False when that was more than
  // may be, and the connection has failed over it.
  bool settle_partial();
  // A pod did nothing to deserve what a client hears.
  ErrorCode out_of_memory() const {
    return role_ == Role::kServer ? ErrorCode::kEnhanceYourCalm : ErrorCode::kInternalError;
  }
  // Ends the connection for a guard's sake. False, as fail().
  bool trip(stats::Counter& counter, const char* guard, const char* detail);
  // Something that a peer may do only so often; false when the connection has failed over it.
  bool spend(Allowance::Kind kind);
  // The same for DATA and HEADERS of a stream; nullptr: of one that is over. A pod says them to one
  // client of many, who may have chosen the call for it: there each stream has an allowance of its
  // own, and is what ends. False when the connection has failed.
  bool spend_on(Stream* s, Allowance::Kind kind);
  bool spend_at_origin(Allowance::Kind kind);
  // Server role: before the first stream, and whenever streams ended early.
  void begin_stream_limit();
  void set_stream_limit();
  // What guards do that act on a stream alone.
  enum class Note : uint8_t {
    kHeaderList,
    kEmptyName,
    kStreams,
    kEarlyEnds,
    kStalledStream,
    kDribble,
    kBroken,
    kEmptyData,
    kTinyData,
    kPadding,
    kContinuation,
    kFieldBlock
  };
  // Tells the owner, the first time.
  // what: instead of the guard's own words.
  void note(Note n, const char* what = nullptr);
  // The field block that is being received has more frames or bytes (`size`) than `limit`. A client
  // is sent away for it. Of a pod's the stream ends, and the block is still read, since HPACK's
  // table needs it, up to kReadAnyway times the limit. False when the connection has failed.
  static constexpr uint64_t kReadAnyway = 16;
  bool bear_block(Note n, uint64_t size, uint64_t limit);
  // Looks for fields without a name in a malformed section; false when there were too many.
  bool count_empty_names(const FieldList& fields);
  // One more stream that a client made us reset; false when that happens too fast.
  bool provoked();
  bool idle(uint32_t id) const;
  // DATA, or HEADERS with these fields, for a stream that is over. What its sender could not know
  // to be late is free: behind our RST_STREAM DATA and one END_STREAM. What else we discard is
  // counted. False after a connection error.
  bool on_late_frame(uint32_t id, const FieldList* fields);
  void remote_end(Stream& s);

  // Output. Frames that do not fit into memory are the end of the connection: false then.
  uint8_t* emit_copy(const FrameHeader& header, buf::View payload);
  bool out_of_buffers(const char* detail);
  bool emit(FrameType type, uint8_t flags, uint32_t stream, buf::View payload);
  bool emit_control(FrameType type, uint8_t flags, uint32_t stream, buf::View payload);
  // ended: our END_STREAM was sent. Toward a pod it may have to wait.
  void emit_rst(uint32_t stream, ErrorCode code, bool ended = false);
  void write_rst(uint32_t stream, ErrorCode code);
  // The peer ended the stream, wholly or its own side.
  void forget_waiting_reset(uint32_t stream, bool wholly);
  void emit_window_update(uint32_t stream, uint32_t n);
  bool emit_headers(Stream& s, const FieldList& fields, bool end);
  // One frame of the stream. False when it has nothing that could leave now.
  bool frame_one(Stream& s);
  bool frame_data(Stream& s, buf::Slice piece, bool end);
  // False when the stream or the connection ends for it.
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
  // Out of all tables, so that a callback may follow that calls anything; destroy() comes behind
  // it.
  void detach(Stream& s);
  // Out of unnumbered_, in constant time: many may wait there, and all of them be cancelled.
  void leave_unnumbered(const Stream& s);
  void announce(Stream& s);
  bool unfinished_input() const { return reader_.unfinished() || block_.open(); }
  void watch_streams(Duration limit);

  Role role_;
  bool settings_received_ = false;
  uint32_t settings_unacknowledged_ = 0;  // SETTINGS of ours without an ACK yet
  bool refusing_ = false;
  bool peer_going_away_ = false;
  ErrorCode error_ = ErrorCode::kNoError;

  const Config config_;  // a copy: what was announced to the peer stays, whatever is reloaded
  Handler& handler_;
  transport::Stream& stream_;
  buf::Queue& output_;  // of stream_
  buf::Memory& memory_;
  stats::Http2& stats_;
  Slab<Stream>& slab_;
  Codec* codec_ = nullptr;  // that the connection belongs to; nullptr: it has an owner of its own

  FrameReader reader_;
  FieldBlock block_;
  size_t charged_ = 0;  // bytes of heap, of both

  ConnectionSendWindow send_window_;
  ConnectionReceiveWindow receive_window_;
  Duration round_trip_{};  // the least that the owner told of; zero: none
  uint32_t peer_initial_window_ = kDefaultWindow;
  uint32_t peer_max_frame_size_ = kDefaultMaxFrameSize;
  // RFC 9113 lets a peer announce less at any time; 100 is what 6.5.2 recommends as the least.
  uint32_t peer_max_streams_ = 100;
  uint32_t peer_max_header_list_size_ = UINT32_MAX;
  bool peer_takes_extended_connect_ = false;  // RFC 8441, 3

  StreamTable table_;
  List<Stream> ready_;               // can be framed, given room
  List<Stream> window_blocked_;      // wait for the connection's window
  List<Stream> share_blocked_;       // wait, since their payer has its share of it
  List<Stream> limit_blocked_;       // of unnumbered_, wait for a limit or find no id
  std::vector<Stream*> unnumbered_;  // client role: their HEADERS wait for room; in no order
  // Client role: streams that are over here, and open at the peer until it hears so.
  struct WaitingReset {
    uint32_t stream;
    ErrorCode code;
    bool ended;  // our side
  };
  std::vector<WaitingReset> waiting_resets_;
  uint32_t next_id_;
  uint32_t last_peer_id_ = 0;  // the highest that was looked at: GOAWAY names it
  RecentIds ids_;              // of the side that opens streams, discarded ones included
  int64_t room_ = 0;
  OpenFrame open_frame_;  // until flush()
  UnreadAnswers unread_answers_;
  Allowance allowance_;
  OriginLoan loan_;
  EarlyEnds early_ends_;
  uint32_t stream_limit_;  // of the client's streams at once, now
  uint16_t noted_ = 0;     // a bit for each Note

  StallWatch stalls_;
  bool data_waits_ = false;  // a stream may have DATA that the peer's window holds back

  hpack::Decoder decoder_;
  hpack::Encoder encoder_;
};

}  // namespace sluice::http2
