#pragma once
// Where the endpoints of one service come from: a file, the configuration itself.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "discovery/endpoint_set.h"

namespace sluice::discovery {

// A whole new set, or the reasons why there is none; the set before stays then.
struct Update {
  std::optional<EndpointSet> endpoints;
  std::vector<std::string> errors;  // a line of the log each; empty when there is a set
  std::vector<std::string> warnings;
};

class Source {
 public:
  using Clock = std::chrono::steady_clock;
  // Runs on the context's thread, after the source has the update. Must not destroy the source.
  using Deliver = std::function<void(const Update&)>;

  // `first`: what is known before the first update; may be empty.
  explicit Source(EndpointSet first) : endpoints_(std::move(first)) {}
  virtual ~Source() = default;
  Source(const Source&) = delete;

  // Begins to deliver, until the source is destroyed. May deliver at once.
  virtual void start(Deliver deliver) = 0;
  // For people: "file /etc/sluice/endpoints.toml".
  virtual std::string name() const = 0;

  // The last whole set.
  const EndpointSet& endpoints() const { return endpoints_; }
  // How long ago the source confirmed it, changed or not.
  Clock::duration age() const { return Clock::now() - confirmed_; }
  // Of the last update; empty when that brought a set.
  const std::string& last_error() const { return last_error_; }

 protected:
  void take(const Update& update) {
    if (update.endpoints) {
      endpoints_ = *update.endpoints;
      confirmed_ = Clock::now();
    }
    last_error_ = update.errors.empty() ? std::string() : update.errors.front();
  }

 private:
  EndpointSet endpoints_;
  Clock::time_point confirmed_ = Clock::now();
  std::string last_error_;
};

// The list that stands in the configuration: it changes with a reload only.
class StaticSource : public Source {
 public:
  using Source::Source;
  void start(Deliver) override {}
  std::string name() const override { return "configuration"; }
};

}  // namespace sluice::discovery
