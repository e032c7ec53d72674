#pragma once
// What is known of one call, by all sides: the simulation compares them.

#include <cstdint>
#include <string>

#include "base/hash.h"
#include "http2/error_code.h"

namespace sluice::sim {

class Peer;

struct Call {
  // The end of an answer's body. Bodies of HTTP/2 end with their stream in any case.
  enum class Answer : uint8_t {
    kTrailers,    // chunked, and trailers
    kChunked,     // chunked
    kLength,      // Content-Length
    kUntilClose,  // the end of the pod's connection
  };

  uint64_t id = 0;
  size_t size = 0;    // bytes of the request's body
  size_t answer = 0;  // bytes of the response's body that are asked for
  bool grpc = true;
  std::string method = "POST";
  std::string status = "200";  // that is asked for
  Answer ends = Answer::kTrailers;
  bool says_length = false;  // the request's body has a Content-Length
  bool by_http1 = false;     // the client speaks HTTP/1.1
  bool http10 = false;  // or HTTP/1.0: no trailers, and the end of the connection may be the end

  // What pods did. A call is processed from the moment that a pod acts on it; refused ones and
  // those that a GOAWAY excludes were not.
  int processed = 0;
  int errors = 0;               // that pods answered with, and that may be tried again
  Peer* answered_on = nullptr;  // the connection that took the whole answer
  bool answer_is_error = false;
  bool reset_by_pod = false;  // after processing
  http2::ErrorCode pod_code{};
  bool silent = false;  // a pod took it and will never answer
  bool broken = false;  // a pod of HTTP/1.1 ended it, or broke the protocol
  // The pod had the request when it sent bytes that belong to no request: nobody can tell them from
  // the answer.
  bool mistakable = false;
  bool crossed = false;  // such bytes were on their way when the request came
  Peer* last_on = nullptr;

  // What the client saw.
  Peer* client = nullptr;
  bool cancelled = false;
  bool gave_up = false;      // the client ended its side within the request
  bool half_closed = false;  // or behind it
  bool lost = false;         // with the client's connection
  bool ended = false;
  bool reset = false;
  http2::ErrorCode code{};
  bool complete = false;  // both sides ended in order
  std::string http_status, grpc_status, message;
  size_t got = 0;
  bool got_wrong = false;

  bool bodiless() const { return method == "HEAD" || status != "200"; }
  // May be sent again although a pod may have acted on it (RFC 9110, 9.2.2).
  bool idempotent() const { return method != "POST"; }
  bool gets_trailers() const { return ends == Answer::kTrailers && !bodiless() && !http10; }
  bool ok() const {
    return complete && http_status == status &&
           (grpc_status == "0" || (!gets_trailers() && grpc_status.empty()));
  }
};

// The bytes of bodies: every call has its own, and each direction.
inline char request_byte(uint64_t call, size_t at) {
  return static_cast<char>(mix64(call * 2 + (at / 64 << 20)) + at);
}
inline char response_byte(uint64_t call, size_t at) {
  return static_cast<char>(mix64(call * 2 + 1 + (at / 64 << 20)) + at);
}

}  // namespace sluice::sim
