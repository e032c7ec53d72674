#pragma once
// YAML as JSON values, for kubeconfig files.

#include <string_view>

#include <boost/json/value.hpp>

namespace sluice::discovery::kubernetes {

// The first document. Every scalar is a string, except that empty plain scalars, "~" and "null" are
// null. Throws std::runtime_error with the line.
boost::json::value read_yaml(std::string_view text);

}  // namespace sluice::discovery::kubernetes
