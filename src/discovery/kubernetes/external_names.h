#pragma once
// Services as a kind, of which only those of type ExternalName matter: the name of DNS that stands
// for a service (spec.externalName), and the numbers of its ports.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "discovery/kubernetes/kind.h"
#include "discovery/kubernetes/service_port.h"

namespace sluice::discovery::kubernetes {

class ExternalNames : public Kind {
 public:
  void begin_list() override { list_.clear(); }
  void listed(const boost::json::object& object) override;
  void end_list() override { services_ = std::exchange(list_, {}); }
  void changed(const boost::json::object& object) override;
  void deleted(const boost::json::object& object) override;

  // The name and the port that the reference means; nullopt: the service is none of this type.
  struct Found {
    std::string host;
    std::optional<uint16_t> port;  // nullopt: the service has no such port
  };
  std::optional<Found> find(const ServicePort& wanted) const;

 private:
  struct External {
    std::string host;
    std::map<std::string, uint16_t> ports;  // by name; "" where a single port has none
  };
  using Services = std::map<ObjectKey, External>;

  // Sets or erases the service. One that cannot be read stays as it is in `before`.
  static void put(Services& services, const boost::json::object& object, const Services& before);

  Services services_;
  Services list_;
};

}  // namespace sluice::discovery::kubernetes
