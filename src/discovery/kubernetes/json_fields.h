#pragma once
// Fields of objects of the Kubernetes API. The API leaves out what is empty, or writes null: a
// field that is absent and a field that is null are the same.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace sluice::discovery::kubernetes {

// An object that does not have the form that the API defines. what() is the reason.
class Unreadable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The functions below throw Unreadable when the field is there and has another type.

// nullptr: absent or null.
const boost::json::object* object_at(const boost::json::object& o, std::string_view key);
const boost::json::array* array_at(const boost::json::object& o, std::string_view key);
// Empty: absent or null.
std::string string_at(const boost::json::object& o, std::string_view key);
bool bool_at(const boost::json::object& o, std::string_view key, bool otherwise);

// metadata.KEY of an object; empty when there is none.
std::string metadata_string(const boost::json::object& o, std::string_view key);

}  // namespace sluice::discovery::kubernetes
