#pragma once
// Asks DNS servers, by c-ares: UDP, and TCP for answers that were cut short.

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "discovery/dns/result.h"
#include "discovery/dns/settings.h"

namespace sluice::discovery::dns {

class Resolver {
 public:
  using Done = std::function<void(const Result&)>;

  // `io` outlives the resolver. Throws std::runtime_error.
  Resolver(boost::asio::io_context& io, const Settings& settings);
  // Questions that are open are never answered.
  ~Resolver();
  Resolver(const Resolver&) = delete;

  // The name is whole: search domains are not added. `done` runs on the context's thread, later.
  void ask(const std::string& name, Type type, Done done);

 private:
  class Channel;
  std::shared_ptr<Channel> channel_;
};

}  // namespace sluice::discovery::dns
