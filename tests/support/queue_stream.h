#pragma once
// A byte stream that ends in a queue: a test takes the bytes out, or TCP does.

#include "buf/queue.h"
#include "transport/stream.h"

namespace sluice {

// What has left the queue counts as transmitted and acknowledged. The peer's side does not exist.
class QueueStream final : public transport::Stream {
 public:
  explicit QueueStream(buf::Queue& queue) : transport::Stream(queue) {}

  uint32_t room() const override { return UINT32_MAX; }
  void push() override {}
  void close() override {}
  void abort() override {}
  void consumed(uint32_t) override {}
  uint64_t transmitted() const override { return output().begin(); }
  uint64_t acknowledged() const override { return output().begin(); }
  uint32_t buffers() const override { return output().slices(); }
  uint32_t buffers_ahead() const override { return 0; }
  Endpoint peer() const override { return {}; }
  Duration round_trip() const override { return {}; }
  void set_user_timeout(Duration) override {}

 private:
  void release() override {}
};

}  // namespace sluice
