#pragma once
// The routes of the kernel's main table, by netlink (rtnetlink(7)): a dump, and a new dump soon
// after each change.

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "discovery/learned_route.h"

namespace sluice::discovery {

// The answer to a request for all routes, as datagrams bring it. Sans-IO.
class RouteDump {
 public:
  // Forgets what was read. sequence: of the request whose answer comes next.
  void begin(uint32_t sequence);
  // A datagram from the kernel, which may hold several messages, or none of this dump.
  void read(std::span<const uint8_t> datagram);

  enum class State : uint8_t { kUnderWay, kComplete, kFailed };
  State state() const { return state_; }
  // Of kFailed: for people.
  const std::string& why() const { return why_; }
  // The kernel told of a change since begin(); the dump may be of the time before.
  bool changed() const { return changed_; }
  // The table changed under the dump, which may lack routes.
  bool interrupted() const { return interrupted_; }
  // Routes with a gateway, of kComplete: sorted, those with the least metric first where several
  // lead to one network. At most kMostRoutes; left_out() counts the others.
  std::vector<GatewayRoute> routes() const;
  size_t left_out() const { return left_out_; }

 private:
  struct Found {
    GatewayRoute route;
    uint32_t metric = 0;
  };
  void read_route(std::span<const uint8_t> message);
  void fail(std::string why);

  uint32_t sequence_ = 0;
  State state_ = State::kComplete;
  std::string why_;
  bool changed_ = false;
  bool interrupted_ = false;
  std::vector<Found> found_;
  size_t left_out_ = 0;
};

class KernelRoutes {
 public:
  // Called on the context's thread when routes() or error() has changed.
  using OnChange = std::function<void()>;

  // `io` outlives this. Begins at once.
  KernelRoutes(boost::asio::io_context& io, OnChange on_change);
  KernelRoutes(const KernelRoutes&) = delete;

  const std::vector<GatewayRoute>& routes() const { return routes_; }
  // The reason why the routes may not be the latest; empty when they are.
  const std::string& error() const { return error_; }
  // The first dump is complete.
  bool listed() const { return listed_; }

 private:
  // Routing daemons change many routes at once.
  static constexpr std::chrono::milliseconds kSettle{50};
  static constexpr std::chrono::seconds kRetry{5};
  static constexpr unsigned kMostInterruptions = 20;  // in a row

  void open();
  void ask();
  void ask_after(std::chrono::milliseconds wait);
  void receive();
  void read_all();
  void finish_if_whole();
  void finish();
  void fail(std::string why);

  OnChange on_change_;
  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer timer_;
  std::array<uint8_t, 65'536> buffer_;
  RouteDump dump_;
  uint32_t sequence_ = 0;
  unsigned interruptions_ = 0;
  bool due_ = false;  // timer_ is about to ask
  std::vector<GatewayRoute> routes_;
  std::string error_;
  bool listed_ = false;
};

}  // namespace sluice::discovery
