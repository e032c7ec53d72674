#pragma once
// Chooses the service of a request.

#include "http/fields.h"

namespace sluice::relay {

class Listener;
class Service;

// The destination of a request.
struct Route {
  Service* service;  // never nullptr
};

// The routes of one listener, as configured: today one route for all requests. The services outlive
// the listener.
class Routes {
 public:
  explicit Routes(Service& service) : all_{&service} {}

  // Whether a request may go to the service.
  bool lead_to(const Service& service) const { return all_.service == &service; }

 private:
  friend Route route(const http::FieldList& request, const Listener& listener);
  Route all_;
};

// The route of one request. `request` is its whole field section, pseudo-header fields included.
Route route(const http::FieldList& request, const Listener& listener);

}  // namespace sluice::relay
