#include "control/state_writer.h"

#include <utility>

#include <spdlog/spdlog.h>
#include <boost/asio/post.hpp>

#include "discovery/state_file.h"

namespace sluice::control {

void StateWriter::write(std::filesystem::path file, std::function<std::string()> text) {
  boost::asio::post(thread_, [this, file = std::move(file), text = std::move(text)] {
    std::string error;
    try {
      discovery::write_state_file(file, text());
    } catch (const std::exception& e) {
      error = e.what();
    }
    boost::asio::post(io_, [this, error] {
      if (std::exchange(logged_error_, error) != error && !error.empty())
        spdlog::error("{} are not saved: {}", what_, error);
    });
  });
}

}  // namespace sluice::control
