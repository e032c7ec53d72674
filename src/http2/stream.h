#pragma once
// One HTTP/2 stream: its state (RFC 9113, 5.1), its windows (5.2) and what waits to be framed.

#include <cstdint>
#include <memory>

#include "base/list.h"
#include "buf/account.h"
#include "buf/queue.h"
#include "http2/allowance.h"
#include "http2/http.h"
#include "http2/receive_window.h"
#include "http2/window_shares.h"

namespace sluice::http2 {

class Connection;

// Owned by its Connection.
class Stream : public ListHook<> {
 public:
  // 0 until the stream's first HEADERS are in the output (client role): ids have to grow in the
  // order of transmission.
  uint32_t id() const { return id_; }
  void* owner() const { return owner_; }
  void set_owner(void* owner) { owner_ = owner; }

  bool local_ended() const { return end_queued_; }
  bool remote_ended() const { return remote_ended_; }
  bool headers_sent() const { return headers_position_ != UINT64_MAX; }
  // Position in the output queue where our first HEADERS begin; UINT64_MAX before.
  uint64_t headers_position() const { return headers_position_; }
  // DATA bytes that wait here for a window or for room.
  uint64_t queued() const { return data_.size(); }
  // Packet buffers that they are in.
  uint32_t queued_buffers() const { return data_.slices(); }
  // Who is charged for what waits here, now and later; nullptr: nobody any more. Those of a server
  // have the connection's.
  void set_account(buf::Account* account) {
    if ((charged_buffers_ | charged_heap_) != 0) [[unlikely]]
      give_back();
    account_ = account;
    if (head_ != nullptr || !data_.empty()) settle();
  }

 private:
  friend class Connection;
  friend class StreamTable;
  friend class WindowShares;

  void give_back() {
    account_->charge(-static_cast<int32_t>(charged_buffers_), -int64_t{charged_heap_});
    charged_buffers_ = charged_heap_ = 0;
  }
  // What waits has changed.
  void settle() {
    if (account_ == nullptr) return;
    const uint32_t buffers = data_.slices();
    const auto heap = static_cast<uint32_t>((head_ != nullptr ? head_->heap() : 0) +
                                            (trailers_ != nullptr ? trailers_->heap() : 0));
    if (buffers == charged_buffers_ && heap == charged_heap_) return;
    account_->charge(static_cast<int32_t>(buffers - charged_buffers_),
                     int64_t{heap} - charged_heap_);
    charged_buffers_ = buffers;
    charged_heap_ = heap;
  }

  uint32_t id_ = 0;
  bool remote_ended_ = false;
  bool end_queued_ = false;  // the owner ended our side
  bool end_sent_ = false;    // END_STREAM is in the output
  bool reset_after_output_ = false;
  bool closed_ = false;  // the owner hears the last word just now; only id() and owner() count
  uint16_t stalled_looks_ = 0;  // of Connection::watch() that found data and no window
  uint32_t dribbled_ = 0;       // client role: frames in a row that its window made tiny
  uint32_t unnumbered_at_ = 0;  // where Connection::unnumbered_ has it, while id_ is 0
  uint32_t reset_code_ = 0;
  bool request_seen_ = false;   // server role: the request's HEADERS are complete
  bool response_seen_ = false;  // client role: the final response's HEADERS are complete
  bool to_head_ = false;        // client role: the request's method is HEAD
  bool connect_ = false;        // the request's method is CONNECT: a tunnel, once it is accepted
  void* owner_ = nullptr;
  int64_t send_window_ = 0;  // may be negative (6.9.2)
  int64_t receive_window_ = 0;
  // Client role: for whose sake it is, and what that has of the connection's window.
  uint64_t payer_ = 0;                    // 0: nobody's
  int64_t send_window_top_ = 0;           // what send_window_ was at most
  WindowShares::Share* share_ = nullptr;  // while the window is short
  int64_t charged_ = 0;                   // bytes, to share_
  bool charged_as_answered_ = false;
  ReceiveWindow window_;       // what receive_window_ is opened to
  int64_t content_left_ = -1;  // of the announced content-length; -1: none announced
  uint64_t headers_position_ = UINT64_MAX;
  buf::Account* account_ = nullptr;
  uint32_t charged_buffers_ = 0;  // to account_
  uint32_t charged_heap_ = 0;     // bytes
  buf::Queue data_;
  std::unique_ptr<Allowance>
      allowance_;                        // client role, once the pod sent what is not worth a frame
  std::unique_ptr<FieldList> head_;      // HEADERS that wait, before any data
  std::unique_ptr<FieldList> trailers_;  // HEADERS that wait behind the data
};

}  // namespace sluice::http2
