#include "relay/kept_request.h"

#include "relay/call.h"

namespace sluice::relay {

namespace {
// Bytes of heap that a call takes beside its fields and body: the objects of both sides.
constexpr size_t kCallBytes = sizeof(Call) + 2 * http::Stream::kBytes + sizeof(Replay);
}  // namespace

KeptRequest::KeptRequest(Context& context, Holder& holder, http::FieldList& headers)
    : context_(context), holder_(holder), replay_(context.take_replay()) {
  replay_->headers.swap(headers);
  charged_heap_ = kCallBytes + replay_->heap();
  holder_.charge_heap(static_cast<int64_t>(charged_heap_));
}

bool KeptRequest::forget_body() {
  replay_->forget_body();
  if (charged_buffers_ == 0 && charged_heap_ < kCallBytes + kLargeBody) return false;  // most calls
  settle();
  return true;
}

void KeptRequest::shrink() {
  replay_->headers.shrink();
  replay_->trailers.shrink();
  settle();
}

void KeptRequest::settle() {
  const size_t heap = kCallBytes + replay_->heap();
  const uint32_t buffers = replay_->buffers();
  if (heap == charged_heap_ && buffers == charged_buffers_) return;
  holder_.charge(static_cast<int32_t>(buffers - charged_buffers_),
                 static_cast<int64_t>(heap) - static_cast<int64_t>(charged_heap_));
  charged_heap_ = heap;
  charged_buffers_ = buffers;
}

void KeptRequest::release() {
  if (charged_buffers_ != 0) holder_.charge(-static_cast<int32_t>(charged_buffers_), 0);
  holder_.charge_heap(-static_cast<int64_t>(charged_heap_));
}

}  // namespace sluice::relay
