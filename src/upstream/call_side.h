#pragma once
// The events of a connection to a pod, as told to the call that owns a stream on it.

#include <cstdint>

#include "buf/slice.h"
#include "http/handler.h"
#include "upstream/client_side.h"

namespace sluice::upstream {

// The consequence for a call when the connection to its pod ends.
enum class PodLoss : uint8_t {
  kStale,  // on an idle connection of HTTP/1.1: the pod may have closed it before it saw the call
  kNotTransmitted,  // no byte of its HEADERS was on the wire: no pod has begun it
  kTransmitted,     // the pod may have begun it
  kAccused,         // as kTransmitted, and the pod ended the connection with an error
};

// The owner of each stream on a connection to a pod (http::Stream::owner()). Any of the functions
// may end the call; the object lives until the end of the turn.
class CallSide {
 public:
  virtual void pod_headers(http::Handler::Section section, http::FieldList& fields, bool end) = 0;
  virtual void pod_data(buf::Slice data, bool end) = 0;
  // `n` bytes of the request went into the output.
  virtual void pod_sent(uint32_t n) = 0;
  virtual void pod_reset(http::EndReason code, http::EndedBy by) = 0;
  virtual void pod_closed() = 0;
  // By its GOAWAY, the pod did not process the stream. The stream still exists. accused: the GOAWAY
  // names an error, and this call may be the reason.
  virtual void pod_unprocessed(bool accused) = 0;
  // Nothing of the stream was sent, and nothing will be: the pod takes fewer streams than before,
  // or none.
  virtual void pod_not_sent() = 0;
  // The pod's connection is gone, and the stream with it.
  virtual void pod_lost(PodLoss loss) = 0;

  // The client that a RST_STREAM toward the pod is charged to; nullptr: the client has left the
  // call.
  virtual ClientSide* payer() = 0;

  static CallSide& of(http::Stream& s) { return *static_cast<CallSide*>(s.owner()); }

 protected:
  ~CallSide() = default;
};

}  // namespace sluice::upstream
