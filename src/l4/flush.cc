// The end of flows before their time: of pods that left a listener that flushes, and of pods that
// an operator flushes.

#include "l4/forwarder.h"
#include "l4/header.h"
#include "l4/reset.h"

namespace sluice::l4 {

void Forwarder::flush(uint32_t pod) {
  if (!flows_ || !registry_.has_pod(pod)) return;
  bool& flushed = registry_.pod(static_cast<uint16_t>(pod)).flush;
  if (flushed) begin_next_flush();  // takes the flows that began since the order before, too
  flushed = true;
  begin_flush();
}

void Forwarder::begin_next_flush() {
  flush_ = flush_ == kFlushes ? 1 : static_cast<uint8_t>(flush_ + 1);
}

bool Forwarder::to_be_flushed(const Flow& flow) {
  if (registry_.pod(flow.pod).flush && flow.outlives != flush_) return true;
  const Vip& vip = registry_.vip(flow.vip);
  return vip.limits.leaving_pods == config::Leaving::kFlush && !vip.has(flow.pod);
}

// An entry that moves back in the table, since another was erased, may be missed once: so the table
// is looked through twice.
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
    for (;;) {
      Flow* at = flows_->client_at((flush_left_ - 1) % flows_->slots());
      if (at == nullptr) break;
      if (!to_be_flushed(*at)) {
        if (at->outlives != flush_) at->outlives = 0;  // the number comes again
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
    begin_next_flush();
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
