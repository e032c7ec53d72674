#pragma once
// One HTTP/2 connection (RFC 9113), either role: frames, HPACK, the stream table, flow control and
// the guards. Sans-IO: received bytes go in as slices; frames come out at the end of a buf::Queue,
// which is the send queue of the TCP connection underneath.

#include <cstdint>
#include <string_view>

#include "base/chrono.h"
#include "base/list.h"
#include "base/slab.h"
#include "buf/memory.h"
#include "buf/queue.h"
#include "http2/error_code.h"
#include "http2/fields.h"

namespace sluice::http2 {

enum class Role : uint8_t { kServer, kClient };

// Shared by all connections of one role on a worker; outlives them.
struct Config {
  uint32_t header_table_size = 4096;        // bytes, our decoder's dynamic table (RFC 7541, 4.2)
  uint32_t encoder_table_size = 4096;       // bytes, at most; the peer's setting may lower it
  uint32_t max_concurrent_streams = 128;    // server role: streams a client may have open
  uint32_t initial_stream_window = 65'536;  // bytes a peer may send ahead on one stream
  uint32_t connection_window = 1'048'576;   // bytes a peer may send ahead in all; see consumed()
  uint32_t max_frame_size = 16'384;         // bytes of payload that we accept in a frame
  uint32_t max_header_list_size = 16'384;   // bytes, counted as FieldList::size does
  uint32_t copy_break = 256;                // DATA bytes below which copying beats sharing
  // Guards against abuse: see http2/guards.h (owned there).
};

class Connection;

// One stream, owned by its Connection.
class Stream;

// What a connection tells its owner, during receive() or flush(). The owner may call anything on
// any connection from inside, this one's reset() of this very stream included.
class Handler {
 public:
  enum class Section : uint8_t { kRequest, kInformational, kResponse, kTrailers };

  // A whole field section, validated (RFC 9113, 8.2 and 8.3). The list may be swapped away.
  // Server role: a request opens the stream; set_owner() is the chance to tie it.
  virtual void on_headers(Stream& s, Section section, FieldList& fields, bool end_stream) = 0;

  // A piece of DATA payload, padding removed, not yet retained; `data` may be empty when
  // end_stream is set. The stream's window opens again through consumed(); the connection's window
  // is credited on receipt by the connection itself.
  virtual void on_data(Stream& s, buf::Slice data, bool end_stream) = 0;

  // `n` bytes of this stream's DATA were framed into the output: room for more from the other side.
  virtual void on_sent(Stream& s, uint32_t n) = 0;

  // The stream ended other than by both END_STREAMs: RST_STREAM from the peer (remote == true), or
  // an error of the peer's that we answered with RST_STREAM (remote == false). on_closed follows.
  virtual void on_reset(Stream& s, ErrorCode code, bool remote) = 0;

  // The last word about s: it was complete, reset by the peer, or reset by an error. Not called for
  // streams that the owner itself ended with reset().
  virtual void on_closed(Stream& s) = 0;

  // GOAWAY from the peer. Client role: streams above last_stream_id were not processed; the owner
  // walks them with for_each_stream. No stream can be opened any more.
  virtual void on_goaway(uint32_t last_stream_id, ErrorCode code) = 0;

  // The peer's first SETTINGS arrived, or a later one changed max_concurrent_streams.
  virtual void on_settings() = 0;

  virtual void on_ping_ack(uint64_t opaque) = 0;

 protected:
  ~Handler() = default;
};

/*
class Stream {
 public:
  uint32_t id() const;
  void* owner() const; void set_owner(void*);
  bool local_ended() const, remote_ended() const;     // END_STREAM queued by us / seen from the peer
  bool headers_sent() const;                          // our first field section is in the output
  uint64_t headers_position() const;                  // position in the output queue where our HEADERS begin; UINT64_MAX before
  uint64_t queued() const;                            // DATA bytes waiting here for window or room
};

class Connection {
 public:
  Connection(Role, const Config&, Handler&, buf::Queue& output, buf::Memory&, Counters&, Slab<Stream>&);
  ~Connection();

  // Queues what a side says first: preface (client), SETTINGS, the connection window.
  void start();

  // Takes all of `data`. False when the connection has failed: a GOAWAY with error() is in the
  // output; the owner flushes TCP, closes it and forgets the streams (for_each_stream). `detail()` says why in words, for the log.
  bool receive(buf::Slice data, Time now);

  // Frames what streams have queued while the output holds fewer than `room` unsent bytes more.
  void flush(uint32_t room);
  bool wants_flush() const;                          // some stream could be framed if there was room

  // Client role: a new stream; nullptr when no stream may be opened now (peer's limit, GOAWAY, ids used up).
  Stream* open(const FieldList& request, bool end_stream, void* owner);
  bool can_open() const;
  uint32_t open_streams() const; uint32_t peer_max_concurrent_streams() const;  // 100 until the peer's SETTINGS
  bool settings_received() const;

  void send_headers(Stream&, const FieldList&, bool end_stream);   // response, informational (1xx in :status), trailers: ordered behind the stream's queued DATA
  void send_data(Stream&, buf::Slice data, bool end_stream);       // data is retained here (copied below copy_break when it can be framed at once); see `no memory` below
  void reset(Stream&, ErrorCode);                                  // RST_STREAM if the peer may know the stream; drops queued output; frees the stream at once
  void consumed(Stream&, uint32_t n);                              // opens the stream's receive window (batched WINDOW_UPDATEs)

  void ping(uint64_t opaque);
  void goaway(uint32_t last_stream_id, ErrorCode, std::string_view debug = {});   // 0x7fffffff: announce only
  uint32_t last_peer_stream_id() const;              // highest accepted (server role)
  void refuse_new_streams();                         // server role, after the final GOAWAY: new streams are ignored per RFC 9113 6.8

  template <class Fn> void for_each_stream(Fn&& fn); // fn(Stream&) may reset the stream that it is given
  ErrorCode error() const; const char* detail() const;
};
*/

}  // namespace sluice::http2
