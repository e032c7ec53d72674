#pragma once
// Writes a file of `state_directory` on a thread of its own: the disk may be slow, and nobody waits
// for it.

#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

namespace sluice::control {

class StateWriter {
 public:
  // what: the subject of log lines, in the plural. `io` outlives the writer.
  StateWriter(boost::asio::io_context& io, std::string what) : io_(io), what_(std::move(what)) {}
  // Waits for what is being written.
  ~StateWriter() = default;

  // Replaces the file. text() runs on the other thread. An error that is a new one is logged.
  // on_failure: runs on `io` if the file has not been written.
  void write(std::filesystem::path file, std::function<std::string()> text,
             std::function<void()> on_failure);

 private:
  boost::asio::io_context& io_;
  const std::string what_;
  std::string logged_error_;
  boost::asio::thread_pool thread_{1};
};

}  // namespace sluice::control
