// The end of flows before their time: of pods that left a listener that flushes, and of pods that
// an operator flushes.

#include "l4/forwarder.h"
#include "l4/header.h"
#include "l4/reset.h"

namespace sluice::l4 {

void Forwarder::flush(uint32_t pod) {
  if (!flows_ || !registry_.has_pod(pod)) return;
  // Takes the flows that began since the order before, too.
  registry_.pod(static_cast<uint16_t>(pod)).begin_flush();
  begin_flush();
}

bool Forwarder::to_be_flushed(const Flow& flow) {
  const Pod& pod = registry_.pod(flow.pod);
  if (pod.flush && flow.outlives != pod.flushes) return true;
  const Vip& vip = registry_.vip(flow.vip);
  return vip.limits.leaving_pods == config::Leaving::kFlush && !vip.has(flow.pod);
}

// An entry that moves back in the table, since another was erased, may be missed once: so the table
// is looked through twice, from where the last look is: orders that follow each other closely must
// not keep it from a part of the table.
void Forwarder::begin_flush() {
  if (!flows_ || !registry_.has_flushes()) return;
  if (flows_->size() == 0) {
    registry_.end_flush();  // of what there is now
    return;
  }
  flush_left_ = 2 * flows_->slots();
  if (!flush_timer_.armed()) wheel_.arm(flush_timer_, swept_);
}

void Forwarder::on_flush(Time now) {
  for (size_t n = 0; n < kFlushSlots && flush_left_ > 0; ++n, --flush_left_) {
    flush_at_ = (flush_at_ == 0 ? flows_->slots() : flush_at_) - 1;
    for (;;) {
      Flow* at = flows_->client_at(flush_at_);
      if (at == nullptr) break;
      if (!to_be_flushed(*at)) {
        if (at->outlives != registry_.pod(at->pod).flushes) at->outlives = 0;  // it comes again
        break;
      }
      const Flow flow = *at;
      reset(flow, now);
      end(flow);
      stats_.l4.flushed.add(1);
    }
  }
  if (flush_left_ > 0) {
    wheel_.arm(flush_timer_, now + kFlushEvery);
  } else {
    registry_.end_flush();
  }
}

// A client whose handshake is not over sends its SYN again, to another pod.
void Forwarder::reset(const Flow& flow, Time now) {
  if (flow.protocol != kTcp || l4::half_open(flow.state) || over(flow.state)) return;
  const Endpoint& vip = registry_.vip(flow.vip).address;
  send_reset({vip, {flow.remote, flow.remote_port}}, flow.ack, host_, now);
  // A pod that answers clients itself expects a number that Sluice does not know.
  if (const Flow* pod = flows_->partner_of(flow))
    send_reset({{registry_.source(flow.from), flow.from_port}, {flow.to, flow.to_port}}, pod->ack,
               host_, now);
}

}  // namespace sluice::l4
