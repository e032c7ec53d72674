#pragma once
// A Kubernetes cluster: its EndpointSlices, however many services are taken from them.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "discovery/kubernetes/endpoint_slices.h"
#include "discovery/kubernetes/external_names.h"
#include "discovery/kubernetes/reflector.h"
#include "discovery/kubernetes/service_port.h"
#include "discovery/kubernetes/settings.h"
#include "discovery/kubernetes/slice_store.h"

namespace sluice::discovery::kubernetes {

class Cluster {
 public:
  using Clock = std::chrono::steady_clock;
  struct Line {
    bool good = true;
    std::string text;
  };
  using Log = std::function<void(const Line& line)>;

  // A service's changes that came together.
  struct News {
    Clock::time_point read;  // when the first of them came from the API server
    // As SliceStore has them, since the cluster was made.
    SliceStore::Triggers triggers;
  };
  // Hears of changes, once for all changes that came together.
  class Subscriber {
   public:
    virtual ~Subscriber() = default;
    virtual const ObjectKey& service() const = 0;
    virtual void on_change(const News& news) = 0;
  };
  // After telling subscribers, which takes time in proportion to their endpoints, the cluster
  // gathers further changes for so many times that time, kMostRest at most.
  static constexpr int kRest = 1;
  static constexpr std::chrono::milliseconds kMostRest{20};

  // `io` outlives the cluster.
  Cluster(boost::asio::io_context& io, Settings settings, Log log);
  ~Cluster();
  Cluster(const Cluster&) = delete;

  // Begins to ask the API server.
  void start();

  const Settings& settings() const { return settings_; }
  // Subscribers end their subscription before they or the cluster are destroyed.
  void subscribe(Subscriber& s) { subscribers_[s.service()].insert(&s); }
  void unsubscribe(Subscriber& s);

  // Objects that could not be read, and stayed as they were.
  uint64_t unreadable() const;

  // The functions below are about a namespace's objects. A namespace that is not watched has never
  // been listed.
  EndpointSet endpoints(const ServicePort& port) const { return store_.endpoints(port); }
  // The reason why a service that has been listed has no endpoints; empty when it has some.
  std::string why_empty(const ServicePort& port) const { return store_.why_empty(port); }
  bool listed(const std::string& name_space) const;
  bool has_slices(const ObjectKey& service) const { return store_.has(service); }
  // Begins to watch the Services of the namespace, too. Only those of type ExternalName matter,
  // which have no slices: so nobody asks before a service without slices is wanted.
  void watch_services(const std::string& name_space);
  // The name that stands for the service; nullopt: it is none of that type, as far as is known.
  std::optional<ExternalNames::Found> external_name(const ServicePort& port) const;
  // The Services have been listed, or refused.
  bool services_known(const std::string& name_space) const;
  // The reason why the Services are not watched; empty when they are, or nobody asked for them.
  std::string services_error(const std::string& name_space) const;
  // When the API server was heard last; nullopt: never.
  std::optional<Clock::time_point> heard(const std::string& name_space) const;
  // The reason why there is no watch now; empty when there is one.
  std::string error(const std::string& name_space) const;

 private:
  // The objects of a namespace, or of all.
  struct Scope {
    std::string name_space;
    std::unique_ptr<EndpointSlices> slices;
    std::unique_ptr<Reflector> reflector;
    std::string logged_error;  // that was written to the log last, and still lasts
    bool listed = false;
    ExternalNames names;
    std::unique_ptr<Reflector> services;  // nullptr: nobody has asked for them
  };

  Scope& add_scope(const std::string& name_space);
  const Scope* scope(const std::string& name_space) const;
  void on_services(Scope& scope);
  void tell_soon();
  void on_progress(Scope& scope);
  void tell();
  void log_state(Scope& scope);

  boost::asio::io_context& io_;
  Settings settings_;
  Log log_;
  SliceStore store_;
  std::vector<std::unique_ptr<Scope>> scopes_;
  std::map<ObjectKey, std::set<Subscriber*>> subscribers_;  // by service
  std::map<ObjectKey, News> news_;  // of services, that their subscribers do not know yet
  boost::asio::steady_timer rest_;
  const std::chrono::system_clock::time_point made_ = std::chrono::system_clock::now();
};

}  // namespace sluice::discovery::kubernetes
