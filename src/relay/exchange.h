#pragma once
// One call: a client's stream, and the stream that it became on a pod.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/list.h"
#include "base/timer_wheel.h"
#include "config/retry.h"
#include "http/handler.h"
#include "relay/context.h"
#include "relay/grpc.h"
#include "relay/replay.h"
#include "relay/wait_queue.h"

namespace sluice::relay {

class Service;

// Is over when neither side has a stream any more. Its functions are the events of both sides, and
// any of them may be its last; the object itself lives until the end of the turn (Context::over),
// so that none of its functions loses it underneath.
class Exchange : public ListHook<Exchange>, public Leftover, public Repeatable {
 public:
  // Takes the contents of `request`. The caller has tied `stream` to the exchange.
  Exchange(Context& context, ClientConnection& client, http::Stream& stream, Service& service,
           http::FieldList& request, bool end, uint32_t listener_slot);
  ~Exchange();

  // From the client's side.
  void client_data(buf::Slice data, bool end);
  void client_trailers(http::FieldList& fields);
  void client_sent(uint32_t n);
  // RST_STREAM, or the loss of the client's connection.
  void client_reset(http::EndReason code);
  // Both ways are over for the client. What its pod has not read of the request still goes there:
  // an early answer does not mean that the rest is not wanted (RFC 9113, 8.1).
  void client_closed();

  // From the pod's side.
  void pod_headers(http::Handler::Section section, http::FieldList& fields, bool end);
  void pod_data(buf::Slice data, bool end);
  void pod_sent(uint32_t n);
  void pod_reset(http::EndReason code, http::EndedBy by);
  void pod_closed();
  // The pod's GOAWAY says that it did not process the stream, which still exists.
  // accused: with an error, for which this very call may be the reason.
  void pod_unprocessed(bool accused);
  // Nothing of the stream left, and nothing will: the pod takes fewer streams than before, or none.
  void pod_not_sent();
  // The pod's connection is gone. transmitted: at least a byte of our HEADERS was on the wire;
  // accused: as above.
  void pod_lost(bool transmitted, bool accused);

  // kFailed: the call has ended for its client. kNoStream: the connection takes no stream, and the
  // call is as it was.
  enum class Attach : uint8_t { kAttached, kFailed, kNoStream };
  // Begins on a pod.
  Attach attach(PodConnection& pod);
  // Ends the call toward the client: UNAVAILABLE for gRPC, 503 for others.
  void fail(const char* message, stats::Failure why = stats::Failure::kOther);

  // The same, with the pod told to stop.
  void end(const char* message);

  // exchange_timing.cc
  // The client's deadline passed before the call arrived.
  bool overdue() const { return context_.now >= deadline_; }
  void expire_deadline();
  // The call waits for a pod; all its waits together last no longer than `most`.
  void begin_wait(Duration most);
  void end_wait();
  // A call that has not waited yet may be tried again even where none may wait.
  bool waited_too_long(Duration most) const {
    return waited_ >= most && waited_ > Duration::zero();
  }

  // Where it waits; nullptr: nowhere.
  WaitQueue::Lane* lane() const { return lane_; }
  void set_lane(WaitQueue::Lane* lane) { lane_ = lane; }
  Time wait_began() const { return wait_began_; }
  // The last DATA, either way.
  Time active_at() const { return active_at_; }
  // The client's, who may have gone.
  uint64_t client_id() const { return client_id_; }
  uint64_t client_address() const { return client_address_; }
  // Ends the call: others wait for its place, and its client has more than its share.
  void give_up_place();
  // DATA has to leave for the pod, or may have to.
  bool needs_window() const { return !request_ended_ || replay_->body_size() > 0; }
  // A pod has ended the connection that the call was on, with an error: what is tried again goes to
  // a connection of its own, once.
  bool suspect() const { return suspect_; }
  // nullptr when the client has left the call.
  ClientConnection* client() { return client_; }

  // Memory is short: the call goes on without another try.
  void forget_replay();
  // The client is done with the call, and now Sluice is.
  void drop_leftover();

  bool tried(uint32_t pod_slot) const;
  // The id of the connection that refused it last; 0: none did.
  uint64_t refused_by() const { return refused_by_; }
  Service& service() { return service_; }
  bool attached() const { return pod_stream_ != nullptr; }

 private:
  // Charges the client for what the call is, and for what is kept of the request.
  void settle();
  void on_replay_grown();
  void forget_body();
  void detach_pod();
  void cancel_pod(ClientConnection* for_client = nullptr);
  // The last word to the client, who has not heard the whole answer.
  void tell(const Verdict& verdict, const char* message, stats::Failure why);
  void retry();
  void retry_refused();
  void request_ended();
  void remember_tried(uint32_t pod_slot);
  void become_suspect();
  // Its second pod has ended a connection.
  void fail_suspect();
  void finish_early();
  void response_ended();
  // Takes leave of everything that counts the call, when neither side has a stream any more.
  void end_if_over();

  static constexpr Duration kRefusedWait = 10ms;  // doubles
  // What a pod that has answered takes none of for so long it has no use for.
  static constexpr Duration kLeftoverIdle = 30s;

  // exchange_retry.cc: by the service's policy. True when the call goes on without what the pod
  // said or did; the caller leaves it alone then.
  bool retried_answer(const http::FieldList& fields, bool end);
  bool retried_loss(uint32_t pod_slot);
  bool repeatable(const config::Retry& policy) const;
  bool may_repeat() const;
  bool try_again(const config::Retry& policy, std::optional<Duration> delay);
  void begin_try();
  void on_try_timeout();
  void on_backoff();

  // exchange_timing.cc
  void set_limits();
  void set_deadline(std::string_view grpc_timeout);
  void tell_time_left();
  void arm();
  void on_timer();
  void expire(const Verdict& verdict, const char* message,
              stats::Failure why = stats::Failure::kTime);
  void moved() { active_at_ = context_.now; }

  Context& context_;
  Service& service_;
  const uint32_t listener_slot_;
  Holder& holder_;  // of the client
  const uint64_t client_id_;
  const uint64_t client_address_;
  ClientConnection* client_;  // nullptr once client_stream_ is
  http::Stream* client_stream_;
  WaitQueue::Lane* lane_ = nullptr;
  PodConnection* pod_ = nullptr;
  http::Stream* pod_stream_ = nullptr;
  std::unique_ptr<Replay> replay_;
  size_t charged_heap_ = 0;  // to holder_, as the next
  uint32_t charged_buffers_ = 0;
  uint64_t refused_by_ = 0;
  uint64_t credited_ = 0;  // request bytes whose window was given back to the client
  uint64_t sent_ = 0;      // request bytes framed in this try
  Time attached_at_{};

  // One timer for all that can end the call; what is not limited is kNever or zero.
  Timer timer_;
  const Time arrived_;
  Time deadline_ = kNever;  // by grpc-timeout
  Time call_ends_ = kNever;
  Time age_ends_ = kNever;
  Time wait_ends_ = kNever;
  Time try_ends_ = kNever;       // per_try_timeout
  Time retry_at_ = kNever;       // between two tries by the policy
  Time refused_until_ = kNever;  // all pods refused the call: before they are asked again
  Time wait_began_{};
  Duration waited_{};  // for a pod, or in tries that never left
  Duration idle_{};    // silence that ends the call
  Time active_at_;     // the last DATA, either way

  bool suspect_ = false;
  bool grpc_ = false;
  bool request_ended_ = false;
  bool has_trailers_ = false;
  bool replayable_ = true;  // replay_ holds the whole request so far
  bool response_started_ = false;
  bool response_ended_ = false;
  uint8_t retries_ = 0;
  uint8_t refusals_ = 0;      // with no pod left that had not refused
  uint8_t attempts_ = 1;      // by the policy
  uint8_t backoff_step_ = 0;  // doublings of the next backoff
  uint8_t tried_count_ = 0;
  std::array<uint32_t, 8> tried_{};  // slots of pods that did not take the call
};

}  // namespace sluice::relay
