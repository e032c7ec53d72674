#include "discovery/dns/resolver.h"

#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <ares.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fmt/format.h>

namespace sluice::discovery::dns {
namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;

constexpr int kTimeoutMs = 1000;  // of the first try; c-ares doubles it for the next
constexpr int kTries = 3;

void initialise_library() {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
}

Result result_of(int status, std::span<const uint8_t> message, const std::string& name, Type type) {
  switch (status) {
    case ARES_SUCCESS:
      break;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
      return {.kind = Result::Kind::kNone, .records = {}, .why = ares_strerror(status)};
    default:
      return {.kind = Result::Kind::kFailure, .records = {}, .why = ares_strerror(status)};
  }
  auto records = read_answer(message, name, type);
  if (!records)
    return {.kind = Result::Kind::kFailure, .records = {}, .why = "the answer is malformed"};
  if (records->empty())
    return {.kind = Result::Kind::kNone, .records = {}, .why = "the name has no such record"};
  return {.kind = Result::Kind::kRecords, .records = std::move(*records), .why = {}};
}

}  // namespace

class Resolver::Channel : public std::enable_shared_from_this<Channel> {
 public:
  Channel(asio::io_context& io, const Settings& settings) : io_(io), timer_(io) {
    initialise_library();
    ares_options options{};
    options.timeout = kTimeoutMs;
    options.tries = kTries;
    options.sock_state_cb = [](void* self, ares_socket_t fd, int read, int write) {
      static_cast<Channel*>(self)->watch(fd, read != 0, write != 0);
    };
    options.sock_state_cb_data = this;
    const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (const int e = ares_init_options(&channel_, &options, mask); e != ARES_SUCCESS)
      throw std::runtime_error(fmt::format("DNS: {}", ares_strerror(e)));
    const std::string servers = fmt::format("{}", fmt::join(settings.servers, ","));
    if (!servers.empty())
      if (const int e = ares_set_servers_ports_csv(channel_, servers.c_str()); e != ARES_SUCCESS) {
        ares_destroy(channel_);
        throw std::runtime_error(fmt::format("DNS servers {}: {}", servers, ares_strerror(e)));
      }
  }
  ~Channel() { close(); }

  void close() {
    if (!channel_) return;
    closed_ = true;
    ares_destroy(std::exchange(channel_, nullptr));  // calls the callbacks of open questions
  }

  void ask(const std::string& name, Type type, Done done) {
    auto* question = new Question{weak_from_this(), name, type, std::move(done)};
    ares_query(channel_, name.c_str(), 1, static_cast<int>(type), answered, question);
    arm();
  }

 private:
  struct Question {
    std::weak_ptr<Channel> channel;
    std::string name;
    Type type;
    Done done;
  };

  // A socket of c-ares, which also closes it.
  struct Socket {
    explicit Socket(asio::io_context& io, ares_socket_t fd) : descriptor(io, fd) {}
    ~Socket() { give_back(); }
    void give_back() {
      if (descriptor.is_open()) descriptor.release();
    }
    asio::posix::stream_descriptor descriptor;
    bool read = false, write = false;  // wanted
    bool reading = false, writing = false;
  };

  static void answered(void* argument, int status, int, unsigned char* message, int size) {
    const std::unique_ptr<Question> question(static_cast<Question*>(argument));
    const auto channel = question->channel.lock();
    if (!channel || channel->closed_) return;
    Result result = result_of(status, {message, static_cast<size_t>(message ? size : 0)},
                              question->name, question->type);
    // Not from within c-ares, which the receiver may want to ask again.
    asio::post(channel->io_, [weak = question->channel, done = std::move(question->done),
                              result = std::move(result)] {
      if (const auto c = weak.lock(); c && !c->closed_) done(result);
    });
  }

  void watch(ares_socket_t fd, bool read, bool write) {
    if (!read && !write) {
      // c-ares is about to close it, and handlers that wait still hold it.
      if (const auto found = sockets_.find(fd); found != sockets_.end()) {
        found->second->give_back();
        sockets_.erase(found);
      }
      return;
    }
    auto& socket = sockets_[fd];
    if (!socket) socket = std::make_shared<Socket>(io_, fd);
    socket->read = read;
    socket->write = write;
    wait(fd, socket);
  }

  void wait(ares_socket_t fd, const std::shared_ptr<Socket>& socket) {
    using Descriptor = asio::posix::stream_descriptor;
    if (socket->read && !std::exchange(socket->reading, true))
      socket->descriptor.async_wait(Descriptor::wait_read,
                                    [this, self = weak_from_this(), socket, fd](const Error& e) {
                                      socket->reading = false;
                                      if (e || self.expired() || closed_) return;
                                      ares_process_fd(channel_, fd, ARES_SOCKET_BAD);
                                      again(fd, socket);
                                    });
    if (socket->write && !std::exchange(socket->writing, true))
      socket->descriptor.async_wait(Descriptor::wait_write,
                                    [this, self = weak_from_this(), socket, fd](const Error& e) {
                                      socket->writing = false;
                                      if (e || self.expired() || closed_) return;
                                      ares_process_fd(channel_, ARES_SOCKET_BAD, fd);
                                      again(fd, socket);
                                    });
  }

  // c-ares may have closed the socket, and opened another with its number.
  void again(ares_socket_t fd, const std::shared_ptr<Socket>& socket) {
    const auto found = sockets_.find(fd);
    if (found != sockets_.end() && found->second == socket) wait(fd, socket);
    arm();
  }

  void arm() {
    timeval most{}, next{};
    most.tv_sec = 3600;
    const timeval* t = ares_timeout(channel_, &most, &next);
    timer_.expires_after(std::chrono::seconds(t->tv_sec) + std::chrono::microseconds(t->tv_usec) +
                         std::chrono::milliseconds(1));
    timer_.async_wait([this, self = weak_from_this()](const Error& e) {
      if (e || self.expired() || closed_) return;
      ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      if (!sockets_.empty()) arm();
    });
  }

  asio::io_context& io_;
  asio::steady_timer timer_;
  ares_channel channel_ = nullptr;
  bool closed_ = false;
  std::map<ares_socket_t, std::shared_ptr<Socket>> sockets_;
};

Resolver::Resolver(asio::io_context& io, const Settings& settings)
    : channel_(std::make_shared<Channel>(io, settings)) {}

Resolver::~Resolver() {
  channel_->close();
}

void Resolver::ask(const std::string& name, Type type, Done done) {
  channel_->ask(name, type, std::move(done));
}

}  // namespace sluice::discovery::dns
