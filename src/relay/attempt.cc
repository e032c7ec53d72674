#include "relay/attempt.h"

#include <utility>

namespace sluice::relay {

using upstream::PodConnection;

void Attempt::begin(PodConnection& connection, http::Stream& stream, buf::Account& account,
                    Time now) {
  stream.set_account(&account);
  connection_ = &connection;
  stream_ = &stream;
  sent_ = 0;
  began_ = now;
  ++stats().streams;
  ++stats().active;
}

http::Stream& Attempt::detach() {
  --stats().active;
  stream_->set_owner(nullptr);
  stream_->set_account(nullptr);
  connection_ = nullptr;
  return *std::exchange(stream_, nullptr);
}

}  // namespace sluice::relay
