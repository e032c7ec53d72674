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
  if (replay_ == nullptr) return false;
  replay_->forget_body();
  if (charged_buffers_ == 0 && charged_heap_ < kCallBytes + kLargeBody) return false;  // most calls
  settle();
  return true;
}

http::FieldList& KeptRequest::trailers() {
  if (replay_ == nullptr) {
    replay_ = context_.take_replay();
    replay_->forget_body();
  }
  return replay_->trailers;
}

void KeptRequest::let_go(bool logged) {
  if (logged) logged_ = std::make_unique<LoggedFieldsCopy>(LoggedFields::of(replay_->headers));
  context_.give_replay(std::move(replay_));
  settle();
}

LoggedFields KeptRequest::logged() const {
  if (logged_ != nullptr) return logged_->view();
  return replay_ != nullptr ? LoggedFields::of(replay_->headers) : LoggedFields{};
}

void KeptRequest::settle() {
  size_t heap = kCallBytes;
  uint32_t buffers = 0;
  if (replay_ != nullptr) [[likely]] {
    heap += replay_->heap();
    buffers = replay_->buffers();
  }
  if (logged_ != nullptr) [[unlikely]]
    heap += logged_->heap();
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
