#pragma once
// Namespace and name of an object of the Kubernetes API.

#include <compare>
#include <string>

namespace sluice::discovery::kubernetes {

struct ObjectKey {
  std::string name_space;
  std::string name;

  auto operator<=>(const ObjectKey&) const = default;
  std::string str() const { return name_space + "/" + name; }
};

}  // namespace sluice::discovery::kubernetes
