#include "discovery/kubernetes/reflector.h"

#include <random>
#include <utility>

namespace sluice::discovery::kubernetes {
namespace {

Time now() {
  return Time(std::chrono::duration_cast<Duration>(Reflector::Clock::now().time_since_epoch()));
}

}  // namespace

Reflector::Reflector(boost::asio::io_context& io, ApiServer server, const std::string& path,
                     Kind& kind, std::function<void()> on_progress)
    : io_(io),
      server_(std::move(server)),
      state_(path, kind, std::random_device()()),
      on_progress_(std::move(on_progress)),
      timer_(io) {}

void Reflector::start() {
  next();
}

void Reflector::next() {
  timer_.expires_after(state_.delay());
  timer_.async_wait([this](const boost::system::error_code& e) {
    if (!e) send();
  });
}

void Reflector::send() {
  ApiConnection::Receiver& receiver = *this;
  if (!connection_) connection_ = std::make_unique<ApiConnection>(io_, server_, receiver);
  connection_->get(state_.target(), state_.patience());
}

void Reflector::on_head(unsigned status, std::optional<Duration> retry_after) {
  state_.head(now(), status, retry_after);
  ok_ = status == 200;
  if (ok_) heard_ = Clock::now();
  on_progress_();
}

bool Reflector::on_body(std::string_view bytes) {
  if (ok_) heard_ = Clock::now();
  return state_.body(now(), bytes);
}

void Reflector::on_pause() {
  on_progress_();
}

void Reflector::on_end(bool whole, const std::string& why, bool usable) {
  state_.end(now(), whole, why);
  if (!usable) connection_.reset();
  on_progress_();
  next();
}

}  // namespace sluice::discovery::kubernetes
