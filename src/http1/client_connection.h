#pragma once
// An HTTP/1.1 connection to a pod: one request at a time. The connection is kept only behind an
// exchange of which both messages were whole and in order.

#include "http1/connection.h"
#include "http1/head.h"

namespace sluice::http1 {

class ClientConnection final : public Connection {
 public:
  // Informational answers to one request; a pod that sends more is broken.
  static constexpr uint32_t kMostInformational = 32;

  explicit ClientConnection(const Parts& parts) : Connection(parts) {}

  // HTTP/1.1 has no settings: the connection takes a request at once.
  void start() override;
  bool end_of_input() override;
  bool can_open() const override { return !over() && !stream_ && keeps_; }
  Stream* open(const FieldList& request, bool end_stream, void* owner, uint64_t payer) override;
  void send_headers(http::Stream& s, const FieldList& fields, bool end_stream) override;
  void reset(http::Stream& s, EndReason reason) override;
  bool stale(const http::Stream& s, bool was_idle) const override;

  // Of the server role.
  bool announce_drain(uint64_t) override { return false; }
  void drain() override {}

  bool carries(const FieldList& request) const override;

 private:
  void release() override;
  bool on_tunnel_answer(Stream& s, const ResponseHead& head, FieldList& fields);
  bool takes_head() override;
  void on_head(std::string_view text) override;
  void refuse(const Fault& fault) override;
  void on_exchange_end() override;
  void on_peer_done(Stream& s) override;
  void break_off(Stream& s, EndedBy by) override;
  void after_flush() override { resume(); }

  bool keeps_ = true;     // the pod lets the connection stay open
  bool unasked_ = false;  // the pod sent bytes that belong to no request
  uint8_t informational_ = 0;
};

}  // namespace sluice::http1
