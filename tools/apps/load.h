// Unary calls without end over a few channels, at a fixed number in flight or at a fixed rate, or
// messages back and forth on bidirectional streams, and what became of them.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "channel.h"
#include "echo.grpc.pb.h"

namespace sluice::lab {

// Everything since the start, but for the latencies, which are those since the last look.
struct LoadReport {
  std::map<std::string, std::uint64_t> calls;   // that ended well, by pod
  std::map<std::string, std::uint64_t> failed;  // by the name of the status code
  std::string last_error;                       // message of the last failed call
  std::uint64_t in_flight = 0;
  std::vector<std::uint32_t> latencies_us;  // unsorted
};

class Load {
 public:
  struct Plan {
    std::string target;
    Security security;
    std::uint64_t channels = 1;   // each with one connection of its own
    std::uint64_t in_flight = 1;  // per channel; ignored when a rate is given
    bool bidi = false;            // `in_flight` streams that stay open; a message is a call
    std::uint64_t rate =
        0;  // calls a second over all channels; 0 keeps `in_flight` calls in flight
    std::chrono::milliseconds deadline{0};  // of each call; 0: none
    EchoRequest request;
  };

  explicit Load(const Plan& plan);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void start();
  // Begins no more calls and waits for those in flight, at most that long. Whether all ended.
  bool stop(std::chrono::milliseconds patience);
  LoadReport report();

 private:
  struct Call;
  class Stream;

  void begin(std::size_t channel);
  void finish(std::unique_ptr<Call> call, const grpc::Status& status);
  void answered(const EchoReply& reply, std::chrono::nanoseconds took);
  void end(const grpc::Status& status);
  void pace();

  const Plan plan_;
  std::vector<std::unique_ptr<Echo::Stub>> stubs_;
  std::atomic<bool> running_{false};
  std::thread pacer_;
  std::mutex mutex_;  // guards report_
  std::condition_variable idle_;
  LoadReport report_;
};

const char* status_name(grpc::StatusCode code);

}  // namespace sluice::lab
