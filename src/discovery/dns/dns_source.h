#pragma once
// The endpoints behind a name of DNS.

#include <chrono>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "discovery/dns/name_watch.h"
#include "discovery/dns/resolver.h"
#include "discovery/source.h"

namespace sluice::discovery::dns {

class DnsSource : public Source {
 public:
  // `first`, of that age, stands until an answer has brought endpoints. `io` outlives the source.
  DnsSource(boost::asio::io_context& io, std::shared_ptr<Resolver> resolver, Duration max_ttl,
            Target target, EndpointSet first, Clock::duration age = {});

  void start(Deliver deliver) override;
  std::string name() const override { return "dns " + target_.str(); }
  std::string last_error() const override { return watch_.error(); }
  // A server that is away changes nothing, and is no mistake in the configuration.
  bool refused() const override { return false; }
  bool listed() const override { return !endpoints().empty() || watch_.listed(); }
  bool kept() const override { return !endpoints().empty(); }
  // An endpoint could not be connected to: asks again, at most once a second.
  void on_connect_failure() override;
  bool asks_after_failures() const override { return true; }

  const Target& target() const { return target_; }
  const std::shared_ptr<Resolver>& resolver() const { return resolver_; }

 private:
  void ask();
  void answered(const NameWatch::Question& question, const Result& result);

  std::shared_ptr<Resolver> resolver_;
  Target target_;
  NameWatch watch_;
  boost::asio::steady_timer timer_;
  Deliver deliver_;
  // The resolver may answer after the source is gone.
  std::shared_ptr<DnsSource*> self_ = std::make_shared<DnsSource*>(this);
};

}  // namespace sluice::discovery::dns
