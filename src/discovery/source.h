#pragma once
// The source of one service's endpoints: a file, an API, or the configuration itself.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "discovery/endpoint_set.h"

namespace sluice::discovery {

// A whole new set, or the reasons why there is none. In the latter case the previous set stays.
struct Update {
  std::optional<EndpointSet> endpoints;
  std::vector<std::string> errors;  // one log line each; empty when there is a set
  std::vector<std::string> warnings;
  // When the news came from the network; nullopt: just now.
  std::optional<std::chrono::steady_clock::time_point> read{};
  // When the cluster began to change, as far as Kubernetes says so.
  std::vector<std::chrono::system_clock::time_point> triggers{};
};

class Source {
 public:
  using Clock = std::chrono::steady_clock;
  // Runs on the context's thread, after the source has stored the update. Must not destroy the
  // source.
  using Deliver = std::function<void(const Update&)>;

  // `first`: the set before the first update; may be empty. age: of `first`.
  explicit Source(EndpointSet first, Clock::duration age = {})
      : endpoints_(std::move(first)), confirmed_(Clock::now() - age) {}
  virtual ~Source() = default;
  Source(const Source&) = delete;

  // Begins to deliver, until the source is destroyed. May deliver at once.
  virtual void start(Deliver deliver) = 0;
  // A description for people: "file /etc/sluice/endpoints.toml".
  virtual std::string name() const = 0;
  // An endpoint of the set could not be connected to. Called only if asks_after_failures().
  virtual void on_connect_failure() {}
  virtual bool asks_after_failures() const { return false; }

  // Whether there has been a set: the first list, or the set of an earlier run.
  virtual bool listed() const { return true; }
  // Whether the set is worth keeping for a start without the API that it came from.
  virtual bool kept() const { return false; }

  // The last whole set.
  const EndpointSet& endpoints() const { return endpoints_; }
  // The time since the source confirmed the set, changed or not.
  virtual Clock::duration age() const { return Clock::now() - confirmed_; }
  // The reason why the set may not be the latest; empty when it is. In general the error of the
  // last update.
  virtual std::string last_error() const { return last_error_; }
  // Whether the last update brought errors in the place of a set.
  virtual bool refused() const { return !last_error_.empty(); }

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
  Clock::time_point confirmed_;
  std::string last_error_;
};

// The list in the configuration: it changes with a reload only.
class StaticSource : public Source {
 public:
  using Source::Source;
  void start(Deliver) override {}
  std::string name() const override { return "configuration"; }
};

}  // namespace sluice::discovery
