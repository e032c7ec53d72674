#pragma once
// The receiver of the objects of one kind, as a list and a watch bring them.

#include <boost/json/object.hpp>

namespace sluice::discovery::kubernetes {

class Kind {
 public:
  virtual ~Kind() = default;

  // A list begins. What an earlier list that broke off has brought is of no use.
  virtual void begin_list() = 0;
  // An object of the list. None of the functions throws for an object that cannot be read.
  virtual void listed(const boost::json::object& object) = 0;
  // The list is complete: objects that it has not brought are gone.
  virtual void end_list() = 0;

  // ADDED or MODIFIED.
  virtual void changed(const boost::json::object& object) = 0;
  virtual void deleted(const boost::json::object& object) = 0;
};

}  // namespace sluice::discovery::kubernetes
