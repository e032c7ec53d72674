// Attempts of a call: how an attempt begins on a pod's connection, and how the call leaves it.

#include "relay/call.h"
#include "relay/client_connection.h"
#include "relay/service.h"

namespace sluice::relay {

using upstream::CallSide;
using upstream::ClientSide;
using upstream::PodConnection;

using http::EndReason;

Call::Attach Call::attach(PodConnection& pod) {
  tell_time_left();
  if (fields_refused(pod)) return Attach::kFailed;
  const bool bare_end = request_ == Request::kEnded && kept_.body_size() == 0;
  http::Stream* s =
      pod.http().open(kept_.headers(), bare_end, static_cast<CallSide*>(this), client_id_);
  if (s == nullptr) return Attach::kNoStream;
  attempt_.begin(pod, *s, holder_, context_.now);
  if (context_.access_log.on()) [[unlikely]] {
    pod_slot_ = attempt_.pod().slot();
    ++tries_;
  }
  service_.on_place_taken(*this);
  if (request_ != Request::kOpen) arm_try_timeout();
  context_.touch(pod);
  if (kept_.body_size() > 0 && !send_kept_body()) return Attach::kFailed;
  if (request_ == Request::kEndedByTrailers) pod.http().send_headers(*s, kept_.trailers(), true);
  // While the call waited, more may have come than is kept for another attempt.
  if (kept_.body_size() > context_.limits.replay_buffer) {
    forget_body();
  } else if (kept_.large_body()) {
    on_request_grown();
  }
  return Attach::kAttached;
}

bool Call::fields_refused(PodConnection& pod) {
  const auto protocol = kept_.headers().find(http::Name::kProtocol);
  if (protocol && !pod.http().peer_takes_protocol(*protocol)) {
    fail("the pod takes no extended CONNECT",
         stats::Failure::kRefused);  // RFC 8441, 3: it must not be sent
    return true;
  }
  // The pods of a service are alike: no other pod is asked.
  if (!pod.http().carries(kept_.headers())) {
    ++service_.stats().failed;
    tell(kBadRequest, "the authority is no host and port", stats::Failure::kRefused);
    return true;
  }
  if (pod.takes_fields(kept_.headers()) &&
      (request_ != Request::kEndedByTrailers || pod.takes_fields(kept_.trailers())))
    return false;
  ++context_.stats.relay.pod_header_limits;
  ++service_.stats().failed;
  tell(kRequestTooLarge, kLargerThanThePodTakes, stats::Failure::kRefused);
  return true;
}

// False when there is no memory and the call has failed.
bool Call::send_kept_body() {
  PodConnection& pod = attempt_.connection();
  const bool end = request_ == Request::kEnded;
  const bool ok = kept_.for_each([&](buf::Slice piece, bool last) {
    if (attached()) pod.http().send_data(attempt_.stream(), std::move(piece), last && end);
  });
  if (!attached()) return false;  // lack of memory has reset the stream meanwhile
  if (ok) return true;
  cancel_attempt(client_);
  fail("out of packet memory", stats::Failure::kMemory);
  return false;
}

http::Stream& Call::detach() {
  http::Stream& s = attempt_.detach();
  service_.on_place_left(*this);  // whatever ended the attempt, others may wait for its place
  return s;
}

void Call::cancel_attempt(ClientSide* for_client) {
  if (!attached()) return;
  PodConnection& pod = attempt_.connection();
  context_.touch(pod);
  pod.cancel(detach(), EndReason::kCancelled, for_client);
}

}  // namespace sluice::relay
