#pragma once
// EndpointSlices as a kind: reads the objects and keeps the store up to date. An object that cannot
// be read keeps its last good form.

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "discovery/kubernetes/kind.h"
#include "discovery/kubernetes/slice_store.h"

namespace sluice::discovery::kubernetes {

class EndpointSlices : public Kind {
 public:
  // Called with the reason for each object that cannot be read.
  using Complain = std::function<void(const std::string& why)>;

  // name_space: of all objects; empty: they are of any. The store outlives this.
  EndpointSlices(SliceStore& store, std::string name_space, Complain complain)
      : store_(store), name_space_(std::move(name_space)), complain_(std::move(complain)) {}

  void begin_list() override;
  void listed(const boost::json::object& object) override;
  void end_list() override;
  void changed(const boost::json::object& object) override;
  void deleted(const boost::json::object& object) override;

  // Objects that could not be read, since the start.
  uint64_t unreadable() const { return unreadable_; }

 private:
  void complain(const std::string& object, const std::string& why);

  SliceStore& store_;
  std::string name_space_;
  Complain complain_;
  std::vector<EndpointSlice> list_;
  std::set<ObjectKey> kept_;
  uint64_t unreadable_ = 0;
};

}  // namespace sluice::discovery::kubernetes
