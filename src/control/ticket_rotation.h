#pragma once
// Gives the workers a new key for session tickets from time to time.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "tls/ticket_keys.h"

namespace sluice::control {

class TicketRotation {
 public:
  // Both outlive the rotation, which begins at once.
  TicketRotation(boost::asio::io_context& io, tls::TicketKeys& keys) : keys_(keys), timer_(io) {
    wait();
  }

 private:
  void wait() {
    timer_.expires_after(tls::TicketKeys::kRotation);
    timer_.async_wait([this](const boost::system::error_code& e) {
      if (e) return;
      keys_.rotate();
      wait();
    });
  }

  tls::TicketKeys& keys_;
  boost::asio::steady_timer timer_;
};

}  // namespace sluice::control
