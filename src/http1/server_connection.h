#pragma once
// An HTTP/1.1 connection of a client: requests come in, one at a time, and answers go out in their
// order. Requests behind the one that is being answered wait as they came (RFC 9112, 9.3.2).

#include <memory>

#include "http1/connection.h"
#include "http1/head.h"
#include "http1/rate_watch.h"

namespace sluice::http1 {

class ServerConnection final : public Connection {
 public:
  // Empty lines in front of a request that are skipped (RFC 9112, 2.2).
  static constexpr uint32_t kEmptyLines = 4;
  // Chunks of a few bytes that each request earns.
  static constexpr uint32_t kEarnedChunks = 2;

  // pass_connect: requests to CONNECT reach the owner. half_closed_timeout: how long nothing of an
  // answer may flow to a client that has ended its side; zero: for any time.
  ServerConnection(const Parts& parts, bool pass_connect, Duration half_closed_timeout)
      : Connection(parts),
        pass_connect_(pass_connect),
        half_closed_timeout_(
            std::chrono::ceil<std::chrono::duration<uint32_t>>(half_closed_timeout)) {}

  void start() override { room_ = 65'535; }
  bool end_of_input() override;
  void send_headers(http::Stream& s, const FieldList& fields, bool end_stream) override;
  bool decline_tunnel(http::Stream& s) override;
  void reset(http::Stream& s, EndReason reason) override;
  bool announce_drain(uint64_t opaque) override;
  bool announces_later() const override { return stream_ != nullptr && closes_next_ && !closes_; }
  void drain() override { closes_ = true; }

  // Of the client role.
  bool can_open() const override { return false; }
  Stream* open(const FieldList&, bool, void*, uint64_t) override { return nullptr; }

 private:
  void release() override;
  // Also bounds answers without a body to requests of a client that reads none of them.
  bool takes_head() override { return stream_ == nullptr && room_ > 0; }
  void on_head(std::string_view text) override;
  void refuse(const Fault& fault) override;
  void on_exchange_end() override;
  void break_off(Stream& s, EndedBy by) override;
  void after_flush() override;
  bool head_late() const override { return begun_ == 0; }
  void on_chunk(uint32_t piece, uint64_t chunk) override;
  Watched watch_rates(uint32_t body) override;

  // Cancels the request of a client that has ended its side, and to which nothing of the answer has
  // flowed for half_closed_timeout: only bytes of an answer tell whether the client is still there.
  // taken, end: positions of the output, as OutputRateWatch has them.
  void watch_half_closed(uint64_t taken, uint64_t end);
  void begin_request(const RequestHead& head, FieldList& fields);
  // An answer without a body, of Sluice's own.
  void answer(int status);
  void count(const Fault& fault);
  // The stream cannot end well. A client that has seen a part of the answer must see that it is
  // cut.
  void cut(const Stream& s);

  const bool pass_connect_;
  bool closes_ = false;       // the connection ends behind the answer under way
  bool closes_next_ = false;  // or behind the one after it
  uint8_t empty_lines_ = 0;
  uint16_t silent_looks_ = 0;  // in a row, of watch_half_closed()
  // Whole seconds; zero: for any time.
  const std::chrono::duration<uint32_t> half_closed_timeout_;
  uint32_t tiny_chunks_ = 0;  // that were not earned
  // Made by a look at a connection that moves, until a look finds that nothing is under way.
  struct Rates {
    RateWatch body;
    OutputRateWatch answer;
  };
  std::unique_ptr<Rates> rates_;
};

}  // namespace sluice::http1
