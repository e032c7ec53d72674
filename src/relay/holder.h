#pragma once
// What is kept for the sake of one client's connection, charged to the connection, to its address
// and to the worker; and for how long nothing of it was taken.

#include <algorithm>
#include <cstdint>

#include "base/chrono.h"
#include "base/list.h"
#include "buf/account.h"
#include "relay/address_table.h"

namespace sluice::relay {

class ClientConnection;
class Holders;

// Lives as long as the connection, and as the calls that it left behind.
class Holder final : public buf::Account, public ListHook<> {
 public:
  Holder(Holders& holders, ClientAddress& address, ClientConnection& client)
      : holders_(holders), address_(address), client_(&client) {}

  void charge(int32_t buffers, int64_t heap) override;
  bool overdrawn() const override;
  void charge_heap(int64_t bytes) {
    heap_ += static_cast<uint64_t>(bytes);
    if (heap_ - told_ + kUntold > 2 * kUntold || heap_ == 0) [[unlikely]]
      tell();
  }

  // taken, end: positions of the output that the client has acknowledged, and to which it was
  // written. buffers: packet buffers of output. ahead: packet buffers of data that the client sent
  // ahead of a gap. To be called when one of them may have changed; what is acknowledged or arrives
  // in between is seen at the next look. While a gap is open nothing counts as progress: the client
  // may never close it.
  void look(uint64_t taken, uint64_t end, uint32_t buffers, uint32_t ahead);

  // One more user of the object: a call.
  void use() { ++users_; }
  // The last one to leave destroys it.
  void leave();
  // The connection is gone, or as good as gone: from here on nothing weighs.
  void forget_client();

  // One more call that is over for the client, and not for its pod. False when it has left as many
  // behind as it may; then nothing was counted.
  bool leave_call();
  void end_left_call();

  ClientConnection* client() const { return client_; }
  ClientAddress& address() const { return address_; }
  uint32_t buffers() const { return buffers_ + in_tcp_; }
  // Of these, what TCP held at the last look.
  uint32_t in_tcp() const { return in_tcp_; }

  // What the ranking counts: packet buffers, and heap in pieces of as much.
  uint32_t weight() const { return weight_; }
  // How much it is worth to take this one's memory: weight times the square of the age, so that
  // many who take nothing come before a large one who reads.
  uint64_t score() const;

  // It took nothing for longer than any honest reader needs for what it holds.
  bool stale() const;

  // Bytes of heap by which the address and the worker may know too little or too much: calls one
  // after the other need not be told.
  static constexpr uint64_t kUntold = 8'191;
  static constexpr uint32_t kHeapShift = 13;         // heap is weighed in pieces of 8 KiB,
  static constexpr uint32_t kBuffersAHeapPiece = 4;  // of which each is worth so many buffers

 private:
  friend Holders;
  void weigh() {
    uint32_t now =
        buffers_ + in_tcp_ + static_cast<uint32_t>(told_ >> kHeapShift) * kBuffersAHeapPiece;
    if (client_ == nullptr) now = 0;
    if (now != weight_) set_weight(now);
  }
  void tell();
  void set_weight(uint32_t weight);
  void moved();

  Holders& holders_;
  ClientAddress& address_;
  ClientConnection* client_;
  uint32_t users_ = 1;
  uint32_t leftovers_ = 0;
  uint32_t weight_ = 0;
  uint32_t buffers_ = 0;      // in streams, and kept for another try
  uint32_t in_tcp_ = 0;       // at the last look
  uint64_t heap_ = 0;         // bytes
  uint64_t told_ = 0;         // of these, to the address and the worker
  uint64_t since_ = 0;        // Holders::ticks() when all that it had held before had been taken
  uint64_t taken_ = 0;        // buffers of streams that ever went on or away
  uint64_t taken_mark_ = 0;   // taken_, when all that was held at `since_` has gone
  uint64_t output_mark_ = 0;  // the same as a position of the output
};

}  // namespace sluice::relay
