#pragma once
// Finds the records that encoders of a worker share for fields (FieldRef).

#include <string_view>

#include "http/fields.h"

namespace sluice::http {

class FieldRefs {
 public:
  // The record with this name and value; handle 0 when there is none. Makes no record.
  virtual FieldRef find_ref(std::string_view name, std::string_view value) const = 0;

 protected:
  ~FieldRefs() = default;
};

}  // namespace sluice::http
