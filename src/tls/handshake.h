#pragma once
// A TLS handshake from its first byte to its last, with all that it needs: bytes come in and go out
// as plain memory. So any thread can make its steps, one thread at a time.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "stats/tls.h"
#include "tls/client_context.h"
#include "tls/openssl.h"
#include "tls/server_contexts.h"
#include "tls/ssl_owner.h"
#include "tls/ticket_keys.h"
#include "tls/traffic_secrets.h"

namespace sluice::tls {

class Stream;

class Handshake final : public SslOwner {
 public:
  // A server. lane: of the thread that makes the steps. ticket_keys: nullptr for none; outlives the
  // handshake.
  Handshake(std::shared_ptr<const ServerContexts> contexts, size_t lane,
            const TicketKeys* ticket_keys)
      : contexts_(std::move(contexts)), lane_(lane), ticket_keys_(ticket_keys) {}
  // A client.
  Handshake(std::shared_ptr<const ClientContext> client, size_t lane)
      : client_(std::move(client)), lane_(lane), ticket_keys_(nullptr) {}
  // Not movable: OpenSSL knows its address.
  Handshake(const Handshake&) = delete;

  // --- For the stream, while no other thread has the handshake ---

  // Before the first step: OpenSSL makes the connection's records, whatever its cipher.
  void keep_openssl() { own_records_ = false; }

  enum class State : uint8_t { kUnderWay, kDone, kFailed };
  State state() const { return state_; }
  void add_input(buf::View bytes) { input_.insert(input_.end(), bytes.begin(), bytes.end()); }
  // What OpenSSL wrote in the last step, an alert for the peer included.
  std::vector<uint8_t> take_output() { return std::exchange(output_, {}); }
  // Ends a handshake that a guard has counted, with the alert internal_error in the output if
  // OpenSSL has begun and has not completed it.
  void refuse();
  // Adds what the last step counted. After kFailed the reason is among it.
  void count(stats::Tls& stats);
  size_t lane() const { return lane_; }

  // After kFailed of a client: the reason; the string lives as long as the process.
  const char* failure() const { return failure_; }

  // After kDone.
  struct Result {
    std::optional<TrafficKeys> keys;  // of Sluice's own records
    SslPtr ssl;                       // without keys; its next owner is to be set
    std::string_view alpn;            // lives as long as the process, as `version` does
    const char* version = "";         // "TLSv1.3"
    std::vector<uint8_t> unread;      // bytes that came behind the handshake
    std::string server_name;          // as the client sent it
    std::string peer_certificate;     // of a client, verified, as pods are told of it; or empty
    size_t chosen = 0;                // of the ServerContexts
  };
  Result take_result();

  // Records of the peer so far.
  uint32_t received() const { return received_; }

  // The stream that waits; nullptr: it has gone. For the worker only.
  Stream* stream = nullptr;
  // The stream has gone: further steps would be in vain. Any thread may look.
  std::atomic<bool> abandoned{false};

  // --- For the thread that has the handshake ---

  // Works on the input, as far as it goes, private-key operations included. OpenSSL's queue of
  // errors is empty before and after.
  void step();

 private:
  bool begin();
  bool begin_client();
  void take_keys();
  // The handshake is done, or has failed; OpenSSL's queue of errors has the reason.
  void complete();
  void give_up();

  uint32_t take_received(uint8_t* to, uint32_t n) override;
  bool put_record(buf::View bytes) override;
  void on_message(bool sent, int type, buf::View bytes) override;
  void on_secret(std::string_view line) override { secrets_.on_line(line); }
  bool on_client_hello(int& alert) override;
  std::string_view alpn() const override { return contexts_->alpn(); }
  OSSL_LIB_CTX* library() const override;
  const TicketKeys* ticket_keys() const override { return ticket_keys_; }

  const std::shared_ptr<const ServerContexts> contexts_;  // of a server
  const std::shared_ptr<const ClientContext> client_;     // of a client
  const size_t lane_;
  const TicketKeys* const ticket_keys_;
  State state_ = State::kUnderWay;
  SslPtr ssl_;
  std::vector<uint8_t> input_;
  size_t taken_ = 0;  // bytes of input_ that OpenSSL has taken
  std::vector<uint8_t> output_;

  bool own_records_ = true;
  TrafficSecrets secrets_;
  std::optional<TrafficKeys> keys_;
  std::string_view alpn_;
  const char* version_ = "";
  std::string server_name_;
  std::string peer_certificate_;
  size_t chosen_ = 0;
  const char* failure_ = "";
  // Why the handshake failed, or how it was completed.
  using Count = stats::Counter stats::Tls::*;
  Count end_ = nullptr;
  uint32_t received_ = 0;  // records of the peer
  // Since the last count().
  uint32_t records_in_ = 0;
  uint32_t records_out_ = 0;
  uint32_t alerts_in_ = 0;
  uint32_t alerts_out_ = 0;
};

}  // namespace sluice::tls
