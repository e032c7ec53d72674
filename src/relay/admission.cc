#include "relay/admission.h"

#include "relay/call.h"
#include "relay/client_connection.h"
#include "relay/listener.h"
#include "relay/router.h"
#include "relay/service.h"

namespace sluice::relay {
namespace {

// Whether the request is for the listener's health_path, and has got its answer: 200 when new calls
// are welcome; 503 in a drain, its announcement included, when the configuration has the listener
// no more, or when no pod is READY. A CONNECT has no path, and an extended one asks for a tunnel.
bool answered_health(Context& context, Listener& listener, ClientConnection& client,
                     http::Stream& stream, const http::FieldList& request, bool end) {
  if (request.has(http::Name::kProtocol)) return false;
  const std::string_view path = request.find(http::Name::kPath).value_or("");
  if (path.substr(0, path.find('?')) != listener.health_path()) return false;
  const bool well =
      !context.draining && !listener.draining() && route(request, listener).service->reachable();
  http::FieldList answer;
  answer.add(http::Name::kStatus, well ? "200" : "503");
  answer.add("cache-control", "no-store");
  answer.add(http::Name::kContentLength, "0");
  client.answer_alone(stream, answer, end);
  return true;
}

}  // namespace

void admit(Context& context, Listener& listener, ClientConnection& client, http::Stream& stream,
           http::FieldList& request, bool end) {
  // 1. Behind TLS: whether the connection's handshake is the host's (RFC 9110, 7.4). 2. Fields that
  // tell the pod how the request came: Via, X-Forwarded-For, Forwarded, as the listener says.
  if (client.forwarding() != nullptr) {
    if (client.answer_misdirected(stream, request, end)) return;
    client.forwarding()->add_to(request, client.http().received_protocol());
  }
  // 3. The connection's own limit of streams, at which the client has to move away.
  client.count_stream();
  ++listener.stats().streams;
  // The path at which the listener itself tells how it is. It costs its client nothing but a
  // stream.
  if (!listener.health_path().empty() &&
      answered_health(context, listener, client, stream, request, end)) [[unlikely]]
    return;
  // 4. The bound on heap for the client's calls.
  if (client.holder().overdrawn()) [[unlikely]] {
    client.on_heap_refusal();
    client.http().reset(stream, http::EndReason::kOverload);
    return;
  }
  // 5. The route.
  Service& service = *route(request, listener).service;
  // 6. Limits in time: grpc-timeout, call_timeout, max_stream_age, stream_idle_timeout.
  Call& call =
      *context.calls.create(context, client, stream, service, request, end, listener.slot());
  stream.set_owner(&call);
  // 7. The retry budget, which grows with each call. 8. A deadline that has passed. 9. The choice
  // of a pod, or a place in the queue (relay/service.cc). 10. The limits of the pod: extended
  // CONNECT, and the size of fields (relay/call_attempt.cc).
  service.begin(call);
}

}  // namespace sluice::relay
