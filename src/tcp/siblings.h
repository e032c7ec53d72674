#pragma once
// The stacks of the other workers, as one of them needs to know them.

#include "base/address.h"
#include "tcp/received.h"

namespace sluice::tcp {

// A flow belongs to one worker. Active opens use source ports of the worker's own share, so that no
// two workers open the same flow.
class Siblings {
 public:
  // The share of this worker: ports whose remainder by `of` is `index`.
  struct Share {
    unsigned index = 0;
    unsigned of = 1;
  };
  virtual Share share() const = 0;
  // Whether the answers to a connection from `local` to `remote` arrive at this worker. If not, the
  // others hand them over, which costs more.
  virtual bool arrives_here(const Endpoint& local, const Endpoint& remote) const = 0;

  // Called with a segment for which this stack has no flow; it begins with the TCP header. True:
  // the flow may be another worker's, and the segment was taken. False: the segment is this
  // worker's to answer.
  virtual bool hand_over(const Endpoint& local, const Endpoint& remote, Received& segment) = 0;

 protected:
  ~Siblings() = default;
};

}  // namespace sluice::tcp
