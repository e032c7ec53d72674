#pragma once
// One HTTP/2 stream: its state (RFC 9113, 5.1), its windows (5.2) and the frames that wait.

#include <cstdint>
#include <memory>

#include "base/list.h"
#include "buf/queue.h"
#include "http/stream.h"
#include "http2/allowance.h"
#include "http2/http.h"
#include "http2/receive_window.h"
#include "http2/window_shares.h"

namespace sluice::http2 {

class Connection;

// Owned by its Connection.
class Stream : public http::Stream, public ListHook<> {
 public:
  // Bytes of DATA that wait here for a window or for room.
  uint64_t queued() const { return data_.size(); }
  // The packet buffers of these bytes.
  uint32_t queued_buffers() const { return data_.slices(); }

 private:
  friend class Connection;
  friend class StreamTable;
  friend class UnnumberedStreams;
  friend class WindowShares;

  // Updates the account when the amount that waits here has changed.
  void settle() {
    if (account_ == nullptr) return;
    charge(data_.slices(), static_cast<uint32_t>((head_ != nullptr ? head_->heap() : 0) +
                                                 (trailers_ != nullptr ? trailers_->heap() : 0)));
  }

  bool reset_after_output_ = false;
  bool closed_ = false;         // on_closed or on_reset is running; only id() and owner() count
  uint16_t stalled_looks_ = 0;  // of Connection::watch() that found data and no window
  uint32_t dribbled_ = 0;       // client role: frames in a row that its window made tiny
  uint32_t unnumbered_at_ = 0;  // its index in UnnumberedStreams, while id_ is 0
  uint32_t reset_code_ = 0;
  bool request_seen_ = false;   // server role: the request's HEADERS are complete
  bool response_seen_ = false;  // client role: the final response's HEADERS are complete
  bool to_head_ = false;        // client role: the request's method is HEAD
  bool connect_ = false;        // the request's method is CONNECT: a tunnel, once it is accepted
  int64_t send_window_ = 0;     // may be negative (6.9.2)
  int64_t receive_window_ = 0;
  // Client role: the payer of the stream, and its part of the connection's window.
  uint64_t payer_ = 0;                    // 0: nobody
  int64_t send_window_top_ = 0;           // the largest value of send_window_ so far
  WindowShares::Share* share_ = nullptr;  // while the window is short
  int64_t charged_ = 0;                   // bytes, to share_
  bool charged_as_answered_ = false;
  ReceiveWindow window_;       // decides how far receive_window_ opens
  int64_t content_left_ = -1;  // of the announced content-length; -1: none announced
  buf::Queue data_;
  std::unique_ptr<Allowance>
      allowance_;                        // client role, once the pod sent what is not worth a frame
  std::unique_ptr<FieldList> head_;      // HEADERS that wait, before any data
  std::unique_ptr<FieldList> trailers_;  // HEADERS that wait behind the data
};
static_assert(sizeof(Stream) <= http::Stream::kBytes);

}  // namespace sluice::http2
