#include "sluicectl/client.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>

namespace sluicectl {
namespace {

class Socket {
 public:
  Socket() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

const char* advice(int error) {
  switch (error) {
    case ENOENT:
      return "; is sluiced running, and is this its admin_socket?";
    case ECONNREFUSED:
      return "; sluiced has ended and left its socket";
    case EACCES:
      return "; the socket is for its owner and group";
    default:
      return "";
  }
}

[[noreturn]] void fail(const std::string& socket, int error) {
  throw Error(socket + ": " + std::strerror(error) + advice(error));
}

}  // namespace

std::string ask(const std::string& path, const std::string& command, boost::json::object keys) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());

  const Socket s;
  const timeval patience{kPatience, 0};
  ::setsockopt(s.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(s.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(s.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail(path, errno);

  keys["command"] = command;
  const std::string request = boost::json::serialize(keys) + "\n";
  if (::send(s.fd(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    fail(path, errno);

  std::string answer;
  char piece[16 * 1024];
  for (;;) {
    const ssize_t n = ::recv(s.fd(), piece, sizeof piece, 0);
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) fail(path, ETIMEDOUT);
    if (n < 0) fail(path, errno);
    answer.append(piece, static_cast<size_t>(n));
  }
  if (answer.empty())
    throw Error(path + ": sluiced closed without an answer; too many ask at once");
  return answer;
}

}  // namespace sluicectl
