#pragma once
// The request of a call, kept for further attempts, and the memory that the call takes. The memory
// is charged to the call's client.

#include <cstdint>
#include <memory>

#include "buf/slice.h"
#include "relay/context.h"
#include "relay/holder.h"
#include "relay/logged_fields.h"
#include "relay/replay.h"

namespace sluice::relay {

class KeptRequest {
 public:
  // Takes the contents of `headers`. holder: the client's, here and below; it outlives release().
  KeptRequest(Context& context, Holder& holder, http::FieldList& headers);
  ~KeptRequest() {
    if (replay_ != nullptr) [[likely]]
      context_.give_replay(std::move(replay_));
  }
  KeptRequest(const KeptRequest&) = delete;

  // Before let_go().
  http::FieldList& headers() { return replay_->headers; }
  const http::FieldList& headers() const { return replay_->headers; }
  http::FieldList& trailers();
  // The whole body that has arrived so far is kept: the request can be sent from its beginning.
  bool whole() const { return replay_ != nullptr && replay_->whole(); }
  uint64_t body_size() const { return replay_ == nullptr ? 0 : replay_->body_size(); }

  // False when there is no memory. The caller then calls forget_body().
  bool remember(const buf::Slice& data) {
    return replay_ == nullptr || replay_->remember(data, context_.memory);
  }
  // The body takes more heap or buffers than at the last take_grown().
  bool take_grown() { return replay_ != nullptr && replay_->take_grown(); }
  // Worth forgetting when memory is short.
  bool large() const { return (replay_ != nullptr && replay_->buffers() > 0) || large_body(); }
  bool large_body() const { return body_size() > kLargeBody; }
  // fn(Slice, bool last) for the body in order. False when there is no memory for a copy.
  template <class Fn>
  bool for_each(Fn&& fn) const {
    return replay_ == nullptr || replay_->for_each(context_.memory, fn);
  }
  // There will be no further attempt. True when that freed something.
  bool forget_body(Holder& holder);

  // There will be no further attempt, and the call may last: gives the request back. logged: the
  // fields that the access log names stay.
  void let_go(Holder& holder, bool logged);
  // Those fields. Without any, when let_go() kept none.
  LoggedFields logged() const;

  // Charges the memory that the call takes now.
  void settle(Holder& holder);
  // The call is over: takes back all charges.
  void release(Holder& holder);

 private:
  // Bytes of a body from which forgetting it is worth while.
  static constexpr uint64_t kLargeBody = 4'096;

  Context& context_;
  std::unique_ptr<Replay> replay_;  // nullptr after let_go(), unless trailers come
  std::unique_ptr<LoggedFieldsCopy> logged_;
  uint32_t charged_heap_ = 0;  // bytes
  uint32_t charged_buffers_ = 0;
};

}  // namespace sluice::relay
