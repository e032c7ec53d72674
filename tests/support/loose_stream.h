#pragma once
// The lower stream of a stream under test: the test says how much it takes, how much of it has left
// and was acknowledged, and what arrives.

#include <algorithm>
#include <cstring>
#include <string>

#include "buf/pool.h"
#include "buf/queue.h"
#include "transport/stream.h"

namespace sluice::test {

class LooseStream final : public transport::Stream {
 public:
  LooseStream() : transport::Stream(queue_) {}

  // --- As the stream above sees it ---

  uint32_t room() const override {
    return takes > queue_.size() ? takes - static_cast<uint32_t>(queue_.size()) : 0;
  }
  void push() override { ++pushes; }
  void close() override { closed = true; }
  void abort() override {
    aborted = true;
    queue_.clear();
  }
  void consumed(uint32_t n) override { taken += n; }
  uint64_t transmitted() const override { return left; }
  uint64_t acknowledged() const override { return queue_.begin(); }
  uint32_t buffers() const override { return queue_.slices(); }
  uint32_t buffers_ahead() const override { return 0; }
  Endpoint peer() const override { return {}; }
  Duration round_trip() const override { return {}; }
  void set_user_timeout(Duration) override {}

  // --- As the test does ---

  uint32_t takes = UINT32_MAX;  // bytes that may be queued
  uint64_t left = 0;            // position of the first byte that was never on the wire
  uint64_t received = 0;        // bytes that have arrived
  uint64_t taken = 0;           // bytes that the stream above has consumed
  int pushes = 0;
  bool closed = false;
  bool aborted = false;

  uint64_t end() const { return queue_.end(); }
  // So many more bytes are put on the wire.
  std::string transmit(uint64_t n = UINT64_MAX) {
    n = std::min(n, queue_.end() - left);
    std::string bytes;
    queue_.peek(left, static_cast<uint32_t>(n), [&](const buf::Fragment& f) {
      bytes.append(reinterpret_cast<const char*>(f.data()), f.size());
    });
    left += n;
    return bytes;
  }
  // The peer has acknowledged everything before the position.
  void acknowledge(uint64_t position) { queue_.trim_to(position); }
  // What is queued is transmitted and acknowledged.
  std::string drain() {
    std::string bytes = transmit();
    acknowledge(left);
    return bytes;
  }
  // Bytes arrive, `chunk` at a time.
  void arrive(std::string_view bytes, size_t chunk, buf::Pool& pool) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(chunk, bytes.size()))) {
      const std::string_view piece = bytes.substr(0, chunk);
      buf::Slice s = pool.alloc();
      std::memcpy(s.mutable_data(), piece.data(), piece.size());
      s.grow_back(static_cast<uint32_t>(piece.size()));
      received += piece.size();
      user_->on_data(*this, std::move(s));
    }
  }
  void establish() { user_->on_established(*this); }
  void end_of_data() { user_->on_end_of_data(*this, transport::End::kClean); }
  void writable() { user_->on_writable(*this); }
  void end(transport::CloseReason reason) { user_->on_closed(*this, reason); }

 private:
  void release() override {}

  buf::Queue queue_;
};

}  // namespace sluice::test
