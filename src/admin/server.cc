#include "admin/server.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <fmt/format.h>

namespace sluice::admin {
namespace asio = boost::asio;
namespace json = boost::json;
using Protocol = asio::local::stream_protocol;

class Server::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Protocol::socket socket, Answer answer, std::shared_ptr<size_t> sessions)
      : socket_(std::move(socket)),
        deadline_(socket_.get_executor()),
        answer_(std::move(answer)),
        sessions_(std::move(sessions)) {
    ++*sessions_;
  }
  ~Session() { --*sessions_; }

  void start() {
    deadline_.expires_after(kPatience);
    deadline_.async_wait([self = weak_from_this()](const boost::system::error_code& e) {
      if (e) return;
      if (const auto s = self.lock()) {
        boost::system::error_code ignored;
        s->socket_.close(ignored);
      }
    });
    asio::async_read_until(
        socket_, asio::dynamic_buffer(request_, kMaxRequest), '\n',
        [self = shared_from_this()](const boost::system::error_code& e, size_t n) {
          if (!e || e == asio::error::not_found) self->respond(e ? 0 : n);
        });
  }

 private:
  // size: bytes of the request's line; 0 when no line ended within kMaxRequest bytes.
  void respond(size_t size) {
    reply_ = json::serialize(answer_to(std::string_view(request_).substr(0, size)));
    reply_ += '\n';
    asio::async_write(socket_, asio::buffer(reply_),
                      [self = shared_from_this()](const boost::system::error_code&, size_t) {
                        self->deadline_.cancel();
                      });
  }

  json::object answer_to(std::string_view line) {
    json::error_code error;
    const json::value request = json::parse(line, error);
    const json::value* command =
        !error && request.is_object() ? request.get_object().if_contains("command") : nullptr;
    if (!command || !command->is_string())
      return {{"error", "the request must be one line like {\"command\":\"pods\"}"}};
    return answer_(command->get_string(), request.get_object());
  }

  Protocol::socket socket_;
  asio::steady_timer deadline_;
  Answer answer_;
  std::shared_ptr<size_t> sessions_;
  std::string request_;
  std::string reply_;
};

std::string Server::obstacle(const std::filesystem::path& path) {
  const std::filesystem::path directory = path.parent_path().empty() ? "." : path.parent_path();
  std::error_code why;
  std::filesystem::create_directories(directory, why);
  if (why && !std::filesystem::is_directory(directory))
    return fmt::format("the directory {} cannot be made: {}", directory.string(), why.message());
  if (::access(directory.c_str(), W_OK | X_OK) != 0)
    return fmt::format("the directory {} cannot be written to: {}", directory.string(),
                       std::strerror(errno));
  if (!std::filesystem::is_socket(path, why)) return {};
  asio::io_context io;
  Protocol::socket probe(io);
  boost::system::error_code refused;
  probe.connect(Protocol::endpoint(path.string()), refused);
  if (refused) return {};
  return "another sluiced answers there; stop it, or give this one its own socket";
}

Server::Server(asio::io_context& io, const std::filesystem::path& path, Answer answer)
    : path_(path), answer_(std::move(answer)), acceptor_(io) {
  const auto fail = [&](const std::string& what) {
    throw std::runtime_error("admin_socket " + path.string() + ": " + what);
  };
  if (const std::string why = obstacle(path); !why.empty()) fail(why);
  boost::system::error_code error;
  std::error_code ignored;
  if (std::filesystem::is_socket(path, ignored)) std::filesystem::remove(path, ignored);
  const Protocol::endpoint endpoint(path.string());
  acceptor_.open();
  // Nobody else may connect between bind and a later chmod.
  const mode_t mask = ::umask(0117);
  acceptor_.bind(endpoint, error);
  ::umask(mask);
  if (error) fail(error.message());
  acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) fail(error.message());
  accept();
}

Server::~Server() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

void Server::accept() {
  acceptor_.async_accept([this](const boost::system::error_code& e, Protocol::socket socket) {
    if (e == asio::error::operation_aborted) return;
    if (!e && *sessions_ < kMaxSessions)
      std::make_shared<Session>(std::move(socket), answer_, sessions_)->start();
    accept();
  });
}

}  // namespace sluice::admin
