#pragma once
// One request and its answer on a connection, as the owner of the request sees it.

#include <cstddef>
#include <cstdint>

#include "buf/account.h"

namespace sluice::http {

// Owned by its connection. The codec derives from it and keeps the rest.
class Stream {
 public:
  // The most bytes that a codec's stream takes: for estimates of a call's cost.
  static constexpr size_t kBytes = 384;

  // The stream's number on its connection. 0 until the first bytes of its head are in the output
  // (client role): numbers grow in the order in which the peer sees the streams.
  uint32_t id() const { return id_; }
  // The object that the stream belongs to; nullptr: events of the stream are not reported.
  void* owner() const { return owner_; }
  void set_owner(void* owner) { owner_ = owner; }

  // The owner has ended our side.
  bool local_ended() const { return end_queued_; }
  // The peer has ended its side.
  bool remote_ended() const { return remote_ended_; }
  // Our side is ended, and all of it is in the connection's output.
  bool output_done() const { return end_sent_; }
  // The first bytes of our head are in the connection's output.
  bool head_sent() const { return head_position_ != UINT64_MAX; }
  // The position of these bytes in the output; UINT64_MAX while there are none.
  uint64_t head_position() const { return head_position_; }

  // The account that is charged for data that waits on the stream, now and later; nullptr: none.
  // Streams of a server have the connection's account.
  void set_account(buf::Account* account) {
    if ((charged_buffers_ | charged_heap_) != 0) [[unlikely]]
      give_back();
    account_ = account;
  }

 protected:
  Stream() = default;
  ~Stream() = default;

  // `buffers` packet buffers and `heap` bytes of heap now wait on the stream.
  void charge(uint32_t buffers, uint32_t heap) {
    if (account_ == nullptr || (buffers == charged_buffers_ && heap == charged_heap_)) return;
    account_->charge(static_cast<int32_t>(buffers - charged_buffers_),
                     int64_t{heap} - charged_heap_);
    charged_buffers_ = buffers;
    charged_heap_ = heap;
  }
  void give_back() {
    account_->charge(-static_cast<int32_t>(charged_buffers_), -int64_t{charged_heap_});
    charged_buffers_ = charged_heap_ = 0;
  }
  bool charged() const { return (charged_buffers_ | charged_heap_) != 0; }

  uint32_t id_ = 0;
  bool remote_ended_ = false;
  bool end_queued_ = false;
  bool end_sent_ = false;  // the end of our side is in the output
  void* owner_ = nullptr;
  uint64_t head_position_ = UINT64_MAX;
  buf::Account* account_ = nullptr;

 private:
  uint32_t charged_buffers_ = 0;  // to account_
  uint32_t charged_heap_ = 0;     // bytes
};

}  // namespace sluice::http
