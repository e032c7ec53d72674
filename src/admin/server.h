#pragma once
// The Unix socket for tools. A client sends one line, {"command":"pods"}, and gets one JSON
// document; then the connection is closed. A client can neither block the daemon nor cost it more
// than kMaxSessions small buffers and answers.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/json/object.hpp>

namespace sluice::admin {

class Server {
 public:
  static constexpr size_t kMaxRequest = 4096;          // bytes of a request's line
  static constexpr size_t kMaxSessions = 16;           // at a time; further ones are closed at once
  static constexpr std::chrono::seconds kPatience{5};  // for a request and its answer

  // The answer to a command, whose other keys are in `request`; an object with "error" for an
  // unknown command.
  using Answer = std::function<boost::json::object(std::string_view command,
                                                   const boost::json::object& request)>;

  // The reason why no socket can be made at the path: a living daemon answers on it, or its
  // directory cannot be written to. Empty when there is none. Makes the directory. For the time
  // before devices are opened; binding checks again.
  static std::string obstacle(const std::filesystem::path& path);

  // Binds the socket (mode 0660), and replaces one that a dead daemon has left. Throws
  // std::runtime_error: the address is in use by a living daemon, or cannot be bound.
  Server(boost::asio::io_context& io, const std::filesystem::path& path, Answer answer);
  ~Server();
  Server(const Server&) = delete;

 private:
  class Session;
  void accept();

  std::filesystem::path path_;
  Answer answer_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  // Sessions may outlive this object inside the context's handlers.
  std::shared_ptr<size_t> sessions_ = std::make_shared<size_t>(0);
};

}  // namespace sluice::admin
