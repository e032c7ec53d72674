#pragma once
// One attempt of a call: its stream on a pod.

#include <cstdint>
#include <utility>

#include "base/chrono.h"
#include "buf/account.h"
#include "http/stream.h"
#include "upstream/pod_connection.h"
#include "upstream/pool.h"

namespace sluice::relay {

// Attached from begin() to detach(). After detach() it is ready for the next attempt.
class Attempt {
 public:
  bool attached() const { return stream_ != nullptr; }

  // `stream` was opened on the connection, for the call. Data that waits on the stream is charged
  // to `account`, which outlives the attempt.
  void begin(upstream::PodConnection& connection, http::Stream& stream, buf::Account& account,
             Time now) {
    stream.set_account(&account);
    connection_ = &connection;
    stream_ = &stream;
    sent_ = 0;
    began_ = now;
    pod().begin_stream();
  }
  // Separates the stream from the call and returns it. The caller may still have to reset the
  // stream.
  http::Stream& detach() {
    pod().end_stream();
    stream_->set_owner(nullptr);
    stream_->set_account(nullptr);
    connection_ = nullptr;
    return *std::exchange(stream_, nullptr);
  }

  // The functions below may be called only while attached.
  upstream::PodConnection& connection() { return *connection_; }
  http::Stream& stream() { return *stream_; }
  pods::Pod& pod() { return connection_->pool().pod(); }
  stats::Pod& stats() { return pod().stats(); }
  Time began() const { return began_; }
  // `n` more bytes of the request were framed. Returns the bytes framed so far.
  uint64_t add_sent(uint32_t n) { return sent_ += n; }

 private:
  upstream::PodConnection* connection_ = nullptr;
  http::Stream* stream_ = nullptr;
  uint64_t sent_ = 0;
  Time began_{};
};

}  // namespace sluice::relay
