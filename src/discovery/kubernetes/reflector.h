#pragma once
// Keeps the objects of one kind as the API server has them: a ListWatch, a connection, and a timer.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "discovery/kubernetes/api_connection.h"
#include "discovery/kubernetes/list_watch.h"

namespace sluice::discovery::kubernetes {

class Reflector : private ApiConnection::Receiver {
 public:
  using Clock = std::chrono::steady_clock;

  // path: as ListWatch takes it. on_progress: objects may have changed, or synced() or error() has.
  // `kind` and `io` outlive the reflector.
  Reflector(boost::asio::io_context& io, ApiServer server, const std::string& path, Kind& kind,
            std::function<void()> on_progress);

  // Asks until the reflector is destroyed.
  void start();

  const ListWatch& state() const { return state_; }
  // When the server told of objects, or that there is no news, last; nullopt: never.
  std::optional<Clock::time_point> heard() const { return heard_; }

 private:
  void next();
  void send();
  void on_head(unsigned status, std::optional<Duration> retry_after) override;
  bool on_body(std::string_view bytes) override;
  void on_pause() override;
  void on_end(bool whole, const std::string& why, bool usable) override;

  boost::asio::io_context& io_;
  ApiServer server_;
  ListWatch state_;
  std::function<void()> on_progress_;
  boost::asio::steady_timer timer_;
  std::unique_ptr<ApiConnection> connection_;
  std::optional<Clock::time_point> heard_;
  bool ok_ = false;  // the answer under way is no refusal
};

}  // namespace sluice::discovery::kubernetes
