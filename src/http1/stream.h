#pragma once
// One request and its answer on an HTTP/1.1 connection.

#include <cstdint>
#include <memory>

#include "buf/queue.h"
#include "http1/chunked_decoder.h"
#include "http1/http.h"
#include "http1/websocket.h"

namespace sluice::http1 {

// Owned by its Connection, which has one at a time.
class Stream final : public http::Stream {
 public:
  // Bytes of body that wait here for room.
  uint64_t queued() const { return data_ == nullptr ? 0 : data_->size(); }

 private:
  friend class Connection;
  friend class ServerConnection;
  friend class ClientConnection;

  // How our side's body ends (RFC 9112, 6.3).
  enum class Body : uint8_t {
    kNone,
    kLength,
    kChunked,
    kUntilClose,
    kHeld,  // of a tunnel that the peer has not opened: nothing of it leaves
  };
  // A request that asks for a tunnel: CONNECT, or Upgrade to WebSocket, which the owner sees as an
  // extended CONNECT (RFC 8441). An answer with success opens the tunnel, for raw bytes both ways,
  // unless the server has ignored the Upgrade (RFC 9110, 7.8).
  enum class Tunnel : uint8_t { kNone, kAsked, kIgnored, kOpen };

  void settle() {
    charge(data_ == nullptr ? 0 : data_->slices(),
           static_cast<uint32_t>(trailers_ != nullptr ? trailers_->heap() : size_t{0}));
  }

  Body body_ = Body::kNone;
  Tunnel tunnel_ = Tunnel::kNone;
  bool websocket_ = false;     // the tunnel is one of Upgrade
  bool head_written_ = false;  // of the request, or of the final answer
  bool answered_ = false;      // client role: the head of the final answer has arrived
  bool to_head_ = false;       // the request's method is HEAD
  bool old_ = false;           // server role: the request is HTTP/1.0's
  // A body follows a request with Expect (RFC 9110, 10.1.1). Server role: the client may have kept
  // the body back, for Sluice has passed on no 100, and nothing of the body has come. Client role:
  // the pod has sent no 100.
  bool expects_ = false;
  bool left_ = false;    // reset_after_output(): the owner is done with the stream
  bool closed_ = false;  // on_closed or on_reset is running
  // A request for a WebSocket has no body, and neither has an answer that opens one.
  union Peer {
    Peer() : accept{} {}
    WebSocketAccept accept;  // of websocket_, until the answer: to be sent, or expected
    ChunkedDecoder chunks;   // of the peer's body, from ChunkedDecoder::begin() on
  } peer_;
  int64_t body_left_ = 0;             // of Body::kLength
  std::unique_ptr<buf::Queue> data_;  // our side's body, as far as it waits for room
  std::unique_ptr<FieldList> trailers_;
  int64_t peer_left_ = 0;  // bytes that are missing of the peer's body with a Content-Length
};
static_assert(sizeof(Stream) <= http::Stream::kBytes);

}  // namespace sluice::http1
