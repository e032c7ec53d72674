#pragma once
// The send window of a connection, for all streams together (RFC 9113, 6.9). Where many payers
// share the window (a load balancer's connection to a pod), each payer has a share of it while the
// window is scarce (http2/window_shares.h).

#include <algorithm>
#include <cstdint>
#include <memory>

#include "http2/frame.h"
#include "http2/window_shares.h"

namespace sluice::http2 {

class ConnectionSendWindow {
 public:
  // shared: several payers share the window.
  explicit ConnectionSendWindow(bool shared)
      : scarce_below_(shared ? int64_t{kDefaultWindow} / 2 : INT64_MIN), shared_(shared) {}

  // Bytes. Never negative: a peer cannot take back a connection's window.
  int64_t left() const { return left_; }
  // The most bytes that were ever left.
  int64_t most() const { return most_; }

  // DATA of n bytes is sent.
  void use(uint32_t n) { left_ -= n; }
  // The window is short: the payers' shares have to be counted.
  bool scarce() const { return left_ < scarce_below_; }

  // A WINDOW_UPDATE of n bytes only gives back what was used.
  bool gives_back(uint32_t n) const { return left_ + n <= most_; }
  // A WINDOW_UPDATE of n bytes. False when the window exceeds its maximum (6.9.1).
  bool open(uint32_t n) {
    left_ += n;
    if (left_ > kMaxWindow) return false;
    most_ = std::max(most_, left_);
    if (shared_ && shares_ == nullptr) scarce_below_ = most_ / 2;
    return true;
  }

  // nullptr while there is enough for all payers.
  WindowShares* shares() const { return shares_.get(); }
  WindowShares& begin_shares() {
    scarce_below_ = INT64_MAX;
    shares_ = std::make_unique<WindowShares>();
    return *shares_;
  }
  // Well above the level at which shares begin to count, so that they do not begin and end with
  // each frame.
  bool ample() const { return left_ >= most_ / 4 * 3; }
  void end_shares() {
    shares_.reset();
    scarce_below_ = most_ / 2;
  }
  // The bytes that the stream may send by its payer's share.
  int64_t room(const Stream& s) const {
    return shares_ == nullptr ? left_ : shares_->room(s, left_, most_);
  }

 private:
  int64_t left_ = kDefaultWindow;
  int64_t most_ = kDefaultWindow;
  int64_t scarce_below_;
  bool shared_;
  std::unique_ptr<WindowShares> shares_;
};

}  // namespace sluice::http2
