#pragma once
// A TLS connection (RFC 8446, RFC 5246) over a byte stream: OpenSSL makes the handshake, and a
// record layer follows (tls/records.h).

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/timer_wheel.h"
#include "tls/client_context.h"
#include "tls/handshake.h"
#include "tls/record_log.h"
#include "tls/record_size.h"
#include "tls/record_watch.h"
#include "tls/records.h"
#include "tls/server_contexts.h"
#include "transport/layer.h"
#include "transport/stream.h"

namespace sluice::tls {

struct Context;

// OpenSSL's error queue is empty after each call of a stream, and a stream's error ends that stream
// only. on_established follows the handshake. A handshake that fails ends in on_end_of_data(
// kTruncated), behind the alert for the peer, and on_closed.
class Stream final : public transport::Stream, public transport::User {
 public:
  // A server. The lower stream's user is to be this stream. The context outlives it.
  Stream(Context& context, transport::StreamPtr lower,
         std::shared_ptr<const ServerContexts> contexts);
  // A client; connect() follows, and its user is set before. Both outlive it.
  Stream(Context& context, std::shared_ptr<const ClientContext> client);
  ~Stream();
  // False when that is impossible now; the stream is then to be destroyed.
  bool connect(transport::Layer& below, const Endpoint& remote, Time now);

  // --- transport::Stream ---

  uint32_t room() const override;
  void push() override;
  void close() override;
  void abort() override;
  void consumed(uint32_t n) override;
  uint64_t transmitted() const override { return log_.transmitted(lower_->transmitted()); }
  uint64_t acknowledged() const override { return log_.acknowledged(lower_->acknowledged()); }
  uint32_t buffers() const override {
    return lower_->buffers() + plain_.slices() + early_.slices() +
           (records_ != nullptr ? records_->buffers() : 0);
  }
  uint32_t buffers_ahead() const override { return lower_->buffers_ahead(); }
  Endpoint peer() const override { return lower_->peer(); }
  Duration round_trip() const override { return lower_->round_trip(); }
  void set_user_timeout(Duration timeout) override { lower_->set_user_timeout(timeout); }
  void set_patient() override { lower_->set_patient(); }
  std::string_view alpn() const override { return alpn_; }
  std::string_view server_name() const override { return server_name_; }
  const char* security() const override { return version_; }
  std::string_view peer_certificate() const override { return peer_certificate_; }
  Authority authority_for(std::string_view host) const override;
  const char* failure() const override { return failure_; }

  // --- For tls/context.cc ---

  // A helper thread has made a step of this stream's handshake.
  void on_returned(std::unique_ptr<Handshake> handshake);

 private:
  // Packet buffers that wait as they came for a handshake which is away. Beyond them, bytes are
  // copied into full buffers.
  static constexpr uint32_t kMostEarlyBuffers = 256;
  // Bytes that are discarded behind a failure before the connection is reset.
  static constexpr uint32_t kDiscarded = 262'144;
  // The next look for packet memory, when records could not be made for want of it.
  static constexpr Duration kMemoryRetry = 1ms;

  enum class State : uint8_t {
    kConnecting,  // a client whose lower stream is not established
    kHandshake,
    kOpen,
    kFailed,  // the alert is sent, and our FIN, or refused_ is awaited; what arrives is discarded
    kGone,    // abort()
  };

  // --- transport::User, of the lower stream ---

  void on_established(transport::Stream& lower) override;
  void on_data(transport::Stream& lower, buf::Slice data) override;
  void on_gap(transport::Stream&) override { user_->on_gap(*this); }
  void on_end_of_data(transport::Stream& lower, transport::End end) override;
  void on_writable(transport::Stream& lower) override;
  bool busy(const transport::Stream&) const override { return user_->busy(*this); }
  void on_silence(transport::Stream&, bool silent) override { user_->on_silence(*this, silent); }
  void on_closed(transport::Stream& lower, transport::CloseReason reason) override;
  void release() override;

  bool is_client() const { return client_ != nullptr; }
  // Of the thread that makes the next handshake.
  size_t next_lane() const;
  // stream_handshake.cc
  void begin_handshake(std::unique_ptr<Handshake> handshake);
  void receive_early(buf::Slice data);
  // Moves bytes that waited to the handshake, up to one beyond handshake_size.
  void feed_early();
  // Makes a step with these further bytes, or has a helper thread make it.
  void take_step(buf::View data);
  void after_step();
  void established();
  void handshake_closed(transport::CloseReason how);
  // Ends the handshake with the alert internal_error. A helper thread that has the handshake has
  // its keys too; the alert and our FIN then follow when it is back (end_refused()).
  void refuse_handshake();
  void end_refused(Handshake& handshake);
  void lose_handshake();
  void make_records(Handshake::Result& result);
  void leave_handshake();
  // stream.cc
  void on_timer();
  void on_record_timer();
  // All that was received is read.
  void watch_record();
  // Received bytes, behind the handshake.
  void read(buf::Slice data);
  void read(buf::View bytes);
  void credit();
  void seal();
  bool seal_one(uint32_t n);
  // What was appended to the lower stream's output since the last call leaves.
  void send_written();
  // Ends the connection behind the alert that may have been written.
  void fail();
  // As fail(), behind the alert internal_error if the output is still open.
  void give_up();
  void out_of_memory();
  // Ends the connection as the guard says, and notes it.
  void act(Guard guard);

  Context& context_;
  transport::StreamPtr lower_;
  State state_ = State::kConnecting;
  bool closing_ = false;     // our close_notify and FIN are queued
  bool peer_ended_ = false;  // the user knows of the end of the peer's direction
  uint64_t written_ = 0;     // of the lower output's end, at the last send_written()
  RecordWatch watch_;
  std::unique_ptr<Records> records_;  // behind the handshake

  RecordSize record_size_;
  buf::Queue plain_;  // the output, not yet in records
  uint64_t pushed_ = 0;
  mutable RecordLog log_;

  uint64_t held_ = 0;        // bytes received below and not yet credited there
  uint64_t unconsumed_ = 0;  // plain bytes that the user has not consumed

  // While state_ is kHandshake, one of the two.
  std::unique_ptr<Handshake> handshake_;
  Handshake* away_ = nullptr;  // at a helper thread
  // Of refuse_handshake(): at a helper thread. Our FIN waits for it.
  Handshake* refused_ = nullptr;
  buf::Queue early_;          // received while the handshake is away
  bool ended_early_ = false;  // the lower stream ended while the handshake is away
  uint32_t before_open_ = 0;  // bytes of the handshake
  uint32_t discarded_ = 0;    // bytes received after a failure

  Timer timer_;  // kHandshake: its timeout. kOpen: kMemoryRetry
  // Of record_timeout. Armed by the first incomplete record, and not moved by later ones.
  Timer record_timer_;
  // Since when the present record's rest is awaited from the peer; kNever: no record has begun.
  Time record_since_ = kNever;
  uint64_t records_before_ = 0;  // complete records, at the last watch_record()
  std::string_view alpn_;
  const char* version_ = "";  // "TLSv1.3"; empty before the end of the handshake
  std::string server_name_;
  std::string peer_certificate_;
  const char* failure_ = "";
  std::shared_ptr<const ServerContexts> contexts_;  // of the handshake of a server
  size_t chosen_ = 0;                               // of contexts_
  std::shared_ptr<const ClientContext> client_;     // of the handshake of a client
};

}  // namespace sluice::tls
