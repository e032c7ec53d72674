#pragma once
// One call: a client's request, its attempts at pods, and the answer. relay/admission.cc shows, in
// order, the steps that a request passes before it is a call.

#include <cstdint>
#include <optional>

#include "base/list.h"
#include "config/retry.h"
#include "http/handler.h"
#include "relay/attempt.h"
#include "relay/call_timers.h"
#include "relay/context.h"
#include "relay/grpc.h"
#include "relay/kept_request.h"
#include "relay/retry_state.h"
#include "relay/wait_queue.h"
#include "upstream/call_side.h"

namespace sluice::relay {

class Service;

// The call is over when neither side has a stream any more. Its functions are the events of both
// sides. Any of them may end the call, but the object lives until the end of the turn
// (Context::over): so no function loses the object while it runs. By its own hook it is among the
// calls that wait for a pod, those that are left over, or those that are over.
class Call final : public ListHook<Call>, public Repeatable, public upstream::CallSide {
 public:
  // Takes the contents of `request`. The caller ties `stream` to the call.
  Call(Context& context, ClientConnection& client, http::Stream& stream, Service& service,
       http::FieldList& request, bool end, uint32_t listener_slot);

  // From the client's side.
  void client_data(buf::Slice data, bool end);
  void client_trailers(http::FieldList& fields);
  void client_sent(uint32_t n);
  // The client sent RST_STREAM, or its connection ended. why: for the access log.
  void client_reset(http::EndReason code, const char* why);
  // The client's codec ended the stream for a fault. status: of the answer that the codec gives if
  // the pod's has not begun; 0: it gives none.
  void client_refused(http::EndReason code, const char* why, uint16_t status);
  // Both directions have ended for the client. The part of the request that the pod has not read
  // still goes to the pod: an early answer does not mean that the rest is not wanted (RFC 9113,
  // 8.1).
  void client_closed();

  // From the pod's side (call_answer.cc).
  void pod_headers(http::Handler::Section section, http::FieldList& fields, bool end) override;
  void pod_data(buf::Slice data, bool end) override;
  void pod_sent(uint32_t n) override;
  void pod_reset(http::EndReason code, http::EndedBy by) override;
  void pod_closed() override;
  void pod_unprocessed(bool accused) override;
  void pod_not_sent() override;
  void pod_lost(upstream::PodLoss loss) override;
  upstream::ClientSide* payer() override;

  // kFailed: the call has ended for its client. kNoStream: the connection takes no stream, and the
  // call is unchanged.
  enum class Attach : uint8_t { kAttached, kFailed, kNoStream };
  // Begins an attempt (call_attempt.cc).
  Attach attach(upstream::PodConnection& pod);
  bool attached() const { return attempt_.attached(); }
  // DATA has to leave for the pod, or may still have to.
  bool needs_window() const { return request_ == Request::kOpen || kept_.body_size() > 0; }
  const RetryState& retries() const { return retries_; }
  Service& service() { return service_; }

  // Ends the call toward the client: UNAVAILABLE for gRPC, 503 for others.
  void fail(const char* message, stats::Failure why = stats::Failure::kOther);
  // Cancels the attempt at the pod, then ends the call toward the client: as fail() does, or, when
  // the whole answer is here, after that answer.
  void end(const char* message);
  // Ends the call, because other clients wait for its place and its own client has more than its
  // share.
  void give_up_place();

  // The client's deadline passed before the call arrived (call_limits.cc).
  bool overdue() const { return context_.now >= timers_.end(CallTimers::Limit::kDeadline); }
  void expire_deadline();
  const CallTimers& timers() const { return timers_; }

  // The lane in which the call waits; nullptr: it does not wait.
  WaitQueue::Lane* lane() const { return lane_; }
  void set_lane(WaitQueue::Lane* lane) { lane_ = lane; }
  // The call waits for a pod, no longer than `most`.
  void begin_wait(Duration most) { timers_.begin_wait(context_.wheel, context_.now, most); }
  void end_wait() { timers_.end_wait(context_.now); }

  // The ids stay valid when the client has gone.
  uint64_t client_id() const { return client_id_; }
  uint64_t client_address() const { return holder_.address().key; }

  // Memory is short: the kept request is dropped, and the call gets no further attempt.
  void forget_request();
  // Ends a leftover: the client is done with the call already, and the pod is told to stop.
  void drop_leftover();

 private:
  enum class Request : uint8_t { kOpen, kEnded, kEndedByTrailers };
  enum class Response : uint8_t { kNone, kStarted, kEnded };

  // Once a pod has answered and nothing of the request moves for so long, the pod does not want the
  // rest.
  static constexpr Duration kLeftoverIdle = 30s;
  static constexpr const char* kLargerThanThePodTakes = "metadata larger than the endpoint takes";

  void client_gone(http::EndReason code);
  void on_request_grown();
  void forget_body();
  void request_ended(Request how);
  // The call is an open tunnel.
  bool in_tunnel() const { return connect_ && result_ == stats::Result::k2xx; }
  // All of the answer is here, and the client may do without the rest of its request. The pod's end
  // of a tunnel is no such answer: the client's bytes go on.
  bool answer_whole() const { return response_ == Response::kEnded && !in_tunnel(); }
  // Sends the final status to a client that has not got the whole answer.
  void tell(const Verdict& verdict, const char* message, stats::Failure why);
  // The whole answer is here, and the pod does not want the rest of the request (RFC 9113, 8.1).
  void finish_early();
  // call_result.cc. The call is over for its client, whose stream is still here: metrics and the
  // access log get the call. why: as the access log has it; empty: the answer ended the call.
  void count(stats::Result result, const char* why = "") {
    context_.stats.listener(listener_slot_)
        .requests.record(result, context_.now - timers_.arrived());
    if (context_.access_log.on()) [[unlikely]]
      note_access(result, why);
  }
  // What the client has got of the answer is all that it wants.
  bool served() const;
  void note_access(stats::Result result, const char* why);
  // When neither side has a stream any more: leaves everything that counts the call.
  void end_if_over();

  // call_attempt.cc
  bool fields_refused(upstream::PodConnection& pod);
  bool send_kept_body();
  // Ends the attempt for the call. Returns the stream; the caller may have to reset it.
  http::Stream& detach();
  void cancel_attempt(upstream::ClientSide* for_client = nullptr);

  // The answer is whole and the request is not: the call ends when nothing moves.
  void limit_leftover();

  // call_answer.cc
  void response_ended();
  // The pod ignored the Upgrade, and answers as to an ordinary request. False: the client's
  // protocol cannot say that, and the call has ended.
  bool tunnel_declined();
  void fail_reset(http::EndReason code, http::EndedBy by);

  // call_retry.cc. retry(), retry_refused(): another attempt for a call that provably no pod has
  // begun.
  void retry();
  void retry_refused();
  // The others: another attempt by the service's retry policy. True when the call goes on in spite
  // of the pod's answer or loss; the caller then leaves the call alone.
  bool retried_answer(const http::FieldList& fields, bool end);
  bool retried_loss(uint32_t pod_slot);
  // A request that was lost on a kept connection before a byte of its answer is tried again when
  // that is harmless (RFC 9112, 9.3.1). True when the call goes on.
  bool retried_stale(uint32_t pod_slot);
  bool repeatable(const config::Retry& policy) const;
  // The call's own conditions for another attempt, whatever the policy says.
  bool may_repeat() const { return client_stream_ != nullptr && kept_.whole(); }
  bool try_again(const config::Retry& policy, std::optional<Duration> pushback);
  void arm_try_timeout();
  void on_try_timeout();
  void on_backoff();
  void accuse();
  // A pod has ended a connection under the call for the second time.
  void fail_suspect();

  // call_limits.cc
  void set_limits();
  // One side of the open tunnel has ended: from now on silence has a bound, also where the service
  // has none. A peer that has gone may never end the other side.
  void bound_half_open_tunnel();
  void set_deadline();
  void tell_time_left();
  void on_timer();
  void expire(const Verdict& verdict, const char* message,
              stats::Failure why = stats::Failure::kTime);

  Context& context_;
  Service& service_;
  Holder& holder_;            // of the client
  ClientConnection* client_;  // nullptr once client_stream_ is nullptr
  http::Stream* client_stream_;
  const uint64_t client_id_;
  const uint32_t listener_slot_;
  bool connect_;         // the request asks for a tunnel (RFC 9113, 8.5; RFC 8441)
  const bool extended_;  // the tunnel has a :protocol
  const bool grpc_;
  Request request_;
  Response response_ = Response::kNone;
  stats::Result result_;  // by what the pod has answered so far
  // For the access log; all but answer_bytes_ are kept only while there is one.
  uint16_t status_ = 0;                        // of the answer
  uint16_t tries_ = 0;                         // attempts that have begun
  uint32_t pod_slot_ = stats::Access::kNoPod;  // of the last one
  uint64_t answer_bytes_ = 0;                  // of the pod's DATA
  Time first_byte_{};                          // when the answer began
  uint64_t credited_ = 0;  // request bytes for which the client has got its window back
  WaitQueue::Lane* lane_ = nullptr;
  KeptRequest kept_;
  Attempt attempt_;
  RetryState retries_;
  CallTimers timers_;
};

}  // namespace sluice::relay
