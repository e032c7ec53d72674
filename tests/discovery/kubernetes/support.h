#pragma once
// Recorded answers of a real API server, and objects for tests.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "discovery/kubernetes/slice_store.h"

namespace sluice::discovery::kubernetes {

// The file as it is.
inline std::string recording(const std::string& name) {
  std::ifstream in(std::string(SLUICE_RECORDINGS) + "/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

// The part of a recorded answer behind its head.
inline std::string recorded_body(const std::string& name) {
  const std::string text = recording(name);
  const size_t end = text.find("\r\n\r\n");
  return end == std::string::npos ? text.substr(text.find("\n\n") + 2) : text.substr(end + 4);
}

inline boost::json::object object(std::string_view text) {
  return boost::json::parse(text).as_object();
}

// An EndpointSlice with a pod at each of the addresses, which are also the pods' UIDs.
inline std::string slice(const std::string& name, const std::string& addresses,
                         const std::string& version = "1", const std::string& more = "") {
  std::string endpoints;
  std::istringstream in(addresses);
  for (std::string a; in >> a;)
    endpoints +=
        (endpoints.empty() ? "" : ",") +
        (R"({"addresses":[")" + a + R"("],"targetRef":{"kind":"Pod","uid":")" + a + "\"}}");
  return R"({"metadata":{"namespace":"default","name":")" + name + R"(","resourceVersion":")" +
         version + R"(","labels":{"kubernetes.io/service-name":"greeter"}},"addressType":"IPv4",)" +
         R"("endpoints":[)" + endpoints + R"(],"ports":[{"name":"grpc","port":8080}])" + more + "}";
}

inline const ServicePort kGreeter{{"default", "greeter"}, "grpc"};

// The addresses of the pods that calls may go to.
inline std::string pods(const SliceStore& store, const ServicePort& port = kGreeter) {
  std::string out;
  for (const config::Pod& p : pods_of(store.endpoints(port)))
    out += (out.empty() ? "" : " ") + p.endpoint.str();
  return out;
}

}  // namespace sluice::discovery::kubernetes
