#include "relay/kept_request.h"

#include "relay/call.h"

namespace sluice::relay {

namespace {
// Bytes of heap that a call takes beside its fields and body: the objects of both sides.
constexpr size_t kCallBytes = sizeof(Call) + 2 * http::Stream::kBytes + sizeof(Replay);
}  // namespace

KeptRequest::KeptRequest(Context& context, Holder& holder, http::FieldList& headers)
    : context_(context), replay_(context.take_replay()) {
  replay_->headers.swap(headers);
  charged_heap_ = static_cast<uint32_t>(kCallBytes + replay_->heap());
  holder.charge_heap(charged_heap_);
}

bool KeptRequest::forget_body(Holder& holder) {
  if (replay_ == nullptr) return false;
  replay_->forget_body();
  if (charged_buffers_ == 0 && charged_heap_ < kCallBytes + kLargeBody) return false;  // most calls
  settle(holder);
  return true;
}

http::FieldList& KeptRequest::trailers() {
  if (replay_ == nullptr) {
    replay_ = context_.take_replay();
    replay_->forget_body();
  }
  return replay_->trailers;
}

void KeptRequest::let_go(Holder& holder, bool logged) {
  if (logged) logged_ = std::make_unique<LoggedFieldsCopy>(LoggedFields::of(replay_->headers));
  context_.give_replay(std::move(replay_));
  settle(holder);
}

LoggedFields KeptRequest::logged() const {
  if (logged_ != nullptr) return logged_->view();
  return replay_ != nullptr ? LoggedFields::of(replay_->headers) : LoggedFields{};
}

void KeptRequest::settle(Holder& holder) {
  auto heap = static_cast<uint32_t>(kCallBytes);
  uint32_t buffers = 0;
  if (replay_ != nullptr) [[likely]] {
    heap += static_cast<uint32_t>(replay_->heap());
    buffers = replay_->buffers();
  }
  if (logged_ != nullptr) [[unlikely]]
    heap += static_cast<uint32_t>(logged_->heap());
  if (heap == charged_heap_ && buffers == charged_buffers_) return;
  holder.charge(static_cast<int32_t>(buffers - charged_buffers_), int64_t{heap} - charged_heap_);
  charged_heap_ = heap;
  charged_buffers_ = buffers;
}

void KeptRequest::release(Holder& holder) {
  if (charged_buffers_ != 0) holder.charge(-static_cast<int32_t>(charged_buffers_), 0);
  holder.charge_heap(-int64_t{charged_heap_});
}

}  // namespace sluice::relay
