#include "discovery/kubernetes/json_fields.h"

#include <boost/json/value.hpp>

namespace sluice::discovery::kubernetes {
namespace {

namespace json = boost::json;

const json::value* find(const json::object& o, std::string_view key) {
  const json::value* v = o.if_contains(key);
  return v && !v->is_null() ? v : nullptr;
}

[[noreturn]] void wrong(std::string_view key, std::string_view wanted) {
  throw Unreadable(std::string(key) + " is not " + std::string(wanted));
}

}  // namespace

const json::object* object_at(const json::object& o, std::string_view key) {
  const json::value* v = find(o, key);
  if (v && !v->is_object()) wrong(key, "an object");
  return v ? &v->get_object() : nullptr;
}

const json::array* array_at(const json::object& o, std::string_view key) {
  const json::value* v = find(o, key);
  if (v && !v->is_array()) wrong(key, "an array");
  return v ? &v->get_array() : nullptr;
}

std::string string_at(const json::object& o, std::string_view key) {
  const json::value* v = find(o, key);
  if (v && !v->is_string()) wrong(key, "a string");
  return v ? std::string(std::string_view(v->get_string())) : std::string();
}

bool bool_at(const json::object& o, std::string_view key, bool otherwise) {
  const json::value* v = find(o, key);
  if (v && !v->is_bool()) wrong(key, "a boolean");
  return v ? v->get_bool() : otherwise;
}

std::string metadata_string(const json::object& o, std::string_view key) {
  const json::object* metadata = object_at(o, "metadata");
  return metadata ? string_at(*metadata, key) : std::string();
}

}  // namespace sluice::discovery::kubernetes
