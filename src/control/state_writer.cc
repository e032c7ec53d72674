#include "control/state_writer.h"

#include <utility>

#include <spdlog/spdlog.h>
#include <boost/asio/post.hpp>

#include "discovery/state_file.h"

namespace sluice::control {

void StateWriter::write(std::filesystem::path file, std::function<std::string()> text,
                        std::function<void()> on_failure) {
  boost::asio::post(thread_, [this, file = std::move(file), text = std::move(text),
                              on_failure = std::move(on_failure)] {
    std::string error;
    try {
      discovery::write_state_file(file, text());
    } catch (const std::exception& e) {
      error = e.what();
    }
    boost::asio::post(io_, [this, error, on_failure] {
      if (std::exchange(logged_error_, error) != error && !error.empty())
        spdlog::error("{} are not saved: {}", what_, error);
      if (!error.empty()) on_failure();
    });
  });
}

}  // namespace sluice::control
