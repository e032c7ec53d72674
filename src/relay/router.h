#pragma once
// Which service gets a request.

#include "http/fields.h"

namespace sluice::relay {

class Listener;
class Service;

// Where a request goes.
struct Route {
  Service* service;  // never nullptr
};

// The routes of one listener, as the configuration has them: today one, for all requests. The
// services outlive the listener.
class Routes {
 public:
  explicit Routes(Service& service) : all_{&service} {}

  // A request may go there.
  bool lead_to(const Service& service) const { return all_.service == &service; }

 private:
  friend Route route(const http::FieldList& request, const Listener& listener);
  Route all_;
};

// The route of one request. `request` is its whole field section, pseudo-header fields included.
Route route(const http::FieldList& request, const Listener& listener);

}  // namespace sluice::relay
