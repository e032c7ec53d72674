// The end of a call for its client: what metrics and the access log get.

#include <charconv>

#include "relay/call.h"
#include "relay/client_connection.h"
#include "relay/result.h"
#include "relay/service.h"

namespace sluice::relay {

using stats::Result;
using Text = stats::Access::Text;

uint16_t status_number(std::string_view status) {
  uint16_t n = 0;
  std::from_chars(status.data(), status.data() + status.size(), n);
  return n;
}

Result grpc_result(http::EndReason code) {
  using http::EndReason;
  switch (code) {
    case EndReason::kRefused:
      return Result::kUnavailable;
    case EndReason::kCancelled:
      return Result::kCancelled;
    case EndReason::kOverload:
      return Result::kResourceExhausted;
    case EndReason::kInadequateSecurity:
      return Result::kPermissionDenied;
    default:
      return Result::kInternal;
  }
}

Result grpc_result_of_http(std::string_view status) {
  switch (status_number(status)) {
    case 400:
      return Result::kInternal;
    case 401:
      return Result::kUnauthenticated;
    case 403:
      return Result::kPermissionDenied;
    case 404:
      return Result::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Result::kUnavailable;
    default:
      return Result::kUnknown;
  }
}

// All of the answer has left the stream's queue, or the call is an open tunnel, which ends when one
// side wants.
bool Call::served() const {
  return (response_ == Response::kEnded && client_stream_->output_done()) || in_tunnel();
}

void Call::note_access(Result result, const char* why) {
  const bool failed = stats::is_grpc(result) ? result != Result::kOk : result >= Result::k5xx;
  if (!(failed && context_.access_log.failures) && !context_.take_access_sample()) return;
  const transport::Stream& stream = client_->stream();
  stats::Access a;
  a.arrived = timers_.arrived();
  a.duration = context_.now - timers_.arrived();
  if (first_byte_ != Time{}) a.first_byte = first_byte_ - timers_.arrived();
  a.client = stream.peer();
  a.listener = listener_slot_;
  a.service = service_.slot();
  a.pod = pod_slot_;
  // A WebSocket of HTTP/1.1 is an extended CONNECT within Sluice only.
  const bool upgrade = extended_ && client_->http().credits();
  a.status = upgrade && in_tunnel() ? uint16_t{101} : status_;
  a.tries = tries_;
  a.result = result;
  a.request_bytes = credited_;
  a.answer_bytes = answer_bytes_;
  a.protocol = client_->http().received_protocol();
  a.tls = stream.security();
  a.end = why;
  LoggedFields fields = kept_.logged();
  fields.values[static_cast<size_t>(Text::kServerName)] = stream.server_name();
  if (std::string_view& method = fields.values[static_cast<size_t>(Text::kMethod)];
      upgrade && !method.empty())
    method = "GET";
  std::string_view& path = fields.values[static_cast<size_t>(Text::kPath)];
  if (!context_.access_log.query) path = path.substr(0, path.find('?'));
  fields.note(a);
  context_.stats.access().push(a);
}

}  // namespace sluice::relay
