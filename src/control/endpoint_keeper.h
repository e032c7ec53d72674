#pragma once
// Keeps the last good endpoints of the sources that ask an API in `state_directory`.

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "control/state_writer.h"
#include "discovery/saved_endpoints.h"
#include "discovery/source.h"

namespace sluice::control {

class EndpointKeeper {
 public:
  using Sources = std::vector<std::unique_ptr<discovery::Source>>;
  // A change is written after this time, with those that follow it.
  static constexpr std::chrono::seconds kDelay{1};
  // Without a change the file is written so often, for the ages in it.
  static constexpr std::chrono::seconds kRefresh{60};

  // `sources` and `io` outlive the keeper.
  EndpointKeeper(boost::asio::io_context& io, const Sources& sources)
      : sources_(sources), timer_(io), writer_(io, "endpoints") {}

  // The endpoints that a directory's file has, by source. Reads the file, unless the directory is
  // in use already. Changes nothing that is in use. Valid until the next call, or use().
  const discovery::SavedEndpoints& look_into(const std::filesystem::path& directory);
  // From now on the directory is in use. Empty: nothing is kept.
  void use(const std::filesystem::path& directory);
  // The file of the directory in use had endpoints of this source.
  bool had(const std::string& source) const { return saved_.contains(source); }

  // Some source has new endpoints, or another configuration has come.
  void changed() { write_within(kDelay); }

 private:
  void write_within(std::chrono::seconds time);
  void write();

  const Sources& sources_;
  boost::asio::steady_timer timer_;
  std::filesystem::path directory_;
  discovery::SavedEndpoints saved_;  // that its file had
  std::filesystem::path other_;      // of look_into()
  discovery::SavedEndpoints in_other_;
  StateWriter writer_;
};

}  // namespace sluice::control
