#pragma once
// The keys of session tickets over time: those of the configuration's files, or a new random key
// from time to time.

#include <algorithm>
#include <cstring>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/tls.h"
#include "tls/ticket_keys.h"

namespace sluice::control {

class TicketRotation {
 public:
  // Both outlive the rotation, which begins at once.
  TicketRotation(boost::asio::io_context& io, tls::TicketKeys& keys) : keys_(keys), timer_(io) {
    wait();
  }

  // A snapshot with these keys holds from now on (config::Snapshot::ticket_keys). After keys of
  // files, no such keys mean new random ones.
  void follow(const std::vector<config::TicketKey>& files) {
    if (files == files_) return;
    files_ = files;
    if (files.empty()) {
      for (size_t k = 0; k < tls::TicketKeys::kKeys; ++k) keys_.rotate();
      return;
    }
    std::vector<tls::TicketKeys::Key> keys(std::min(files.size(), tls::TicketKeys::kKeys));
    for (size_t k = 0; k < keys.size(); ++k) {
      const uint8_t* from = files[k].data();
      std::memcpy(keys[k].name.data(), from, keys[k].name.size());
      std::memcpy(keys[k].mac.data(), from += keys[k].name.size(), keys[k].mac.size());
      std::memcpy(keys[k].cipher.data(), from + keys[k].mac.size(), keys[k].cipher.size());
    }
    keys_.set(keys);
  }

 private:
  void wait() {
    timer_.expires_after(tls::TicketKeys::kRotation);
    timer_.async_wait([this](const boost::system::error_code& e) {
      if (e) return;
      if (files_.empty()) keys_.rotate();
      wait();
    });
  }

  tls::TicketKeys& keys_;
  boost::asio::steady_timer timer_;
  std::vector<config::TicketKey> files_;
};

}  // namespace sluice::control
