#pragma once
// One of the two connections of a splice: its stream, and the bytes that came from it and that the
// other side has not taken yet.

#include "buf/queue.h"
#include "transport/stream.h"

namespace sluice::splice {

class Splice;

class Side final : public transport::User {
 public:
  explicit Side(Splice& splice) : splice_(splice) {}

  // nullptr: not there yet, or gone.
  transport::StreamPtr stream;
  // Bytes received and not credited to the sender: at most its window, and the peer opens none
  // beyond it.
  buf::Queue waiting;
  bool ended = false;   // the peer's FIN arrived; it goes to the other side behind `waiting`
  bool closed = false;  // our FIN is queued
  uint64_t received = 0;

  // Packet buffers that are kept for this side's bytes, and for those on their way to it.
  uint32_t buffers() const {
    return waiting.slices() + (stream == nullptr ? 0 : stream->buffers() + stream->buffers_ahead());
  }

 private:
  void on_established(transport::Stream& s) override;
  void on_data(transport::Stream& s, buf::Slice data) override;
  void on_end_of_data(transport::Stream& s, transport::End end) override;
  void on_writable(transport::Stream& s) override;
  bool busy(const transport::Stream& s) const override;
  void on_closed(transport::Stream& s, transport::CloseReason reason) override;

  Splice& splice_;
};

}  // namespace sluice::splice
