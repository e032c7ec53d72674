#pragma once
// Memory that is kept for one client's connection. It is charged to the connection, to its address
// and to all calls of the process. The holder also knows how long the client has taken nothing of
// it.

#include <algorithm>
#include <cstdint>

#include "base/chrono.h"
#include "base/list.h"
#include "buf/account.h"
#include "relay/address_table.h"

namespace sluice::relay {

class ClientConnection;
class Holders;

// Lives until the connection and all calls that it left behind have ended.
class Holder final : public buf::Account, public ListHook<> {
 public:
  Holder(Holders& holders, ClientAddress& address, ClientConnection& client)
      : holders_(holders), address_(address), client_(&client) {}

  void charge(int32_t buffers, int64_t heap) override;
  // Counts for the connection's bound and for the worker's sum of such heap. It does not count in
  // the ranking and not for the address. An idle client that keeps the tables of a usual connection
  // takes nothing from anybody, and eviction would reward nobody.
  void charge_lasting(int64_t heap) override;
  bool overdrawn() const override;
  void charge_heap(int64_t bytes) {
    heap_ += static_cast<uint64_t>(bytes);
    if (heap_ - told_ + kUntold > 2 * kUntold || heap_ == 0) [[unlikely]]
      tell();
  }

  // taken: the output position that the client has acknowledged. end: the position behind the
  // output. buffers: packet buffers of output. ahead: packet buffers of data that the client sent
  // ahead of a gap. To be called when one of them may have changed; later acknowledgements and
  // arrivals are seen at the next look. While a gap is open nothing counts as progress: the client
  // may never close the gap.
  void look(uint64_t taken, uint64_t end, uint32_t buffers, uint32_t ahead);

  // A call becomes one more user of the object.
  void use() { ++users_; }
  // One user less. The last user destroys the object.
  void leave();
  // The connection is gone, or about to go: from now on the holder has no weight.
  void forget_client();

  // Counts one more call that is over for the client and not for its pod. False, and not counted,
  // when the connection has left behind as many calls as it may.
  bool leave_call();
  void end_left_call();

  ClientConnection* client() const { return client_; }
  ClientAddress& address() const { return address_; }
  uint32_t buffers() const { return buffers_ + in_tcp_; }
  // Part of buffers(): those in TCP at the last look.
  uint32_t in_tcp() const { return in_tcp_; }

  // The weight in the ranking: packet buffers, and heap converted to buffers.
  uint32_t weight() const { return weight_; }
  // The value of taking this holder's memory: weight times the square of its age without progress.
  // So many clients that take nothing come before a large one that reads.
  uint64_t score() const;

  // The client took nothing for longer than any honest reader needs.
  bool stale() const;

  // Bytes of heap by which the address's and the process's sums may be wrong, so that calls one
  // after the other need not update them.
  static constexpr uint64_t kUntold = 8'191;
  static constexpr uint32_t kHeapShift = 13;         // heap counts in pieces of 8 KiB,
  static constexpr uint32_t kBuffersAHeapPiece = 4;  // each worth so many buffers

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
  uint32_t buffers_ = 0;      // in streams, and kept for another attempt
  uint32_t in_tcp_ = 0;       // at the last look
  uint64_t heap_ = 0;         // bytes
  uint64_t lasting_ = 0;      // bytes of heap, beside heap_
  uint64_t told_ = 0;         // part of heap_ that the address and the process know
  uint64_t since_ = 0;        // Holders::ticks() when all that was kept before had been taken
  uint64_t taken_ = 0;        // buffers of streams that were ever sent or dropped
  uint64_t taken_mark_ = 0;   // taken_ at which all that was kept at `since_` has gone
  uint64_t output_mark_ = 0;  // the same, as a position of the output
};

}  // namespace sluice::relay
