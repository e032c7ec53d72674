// sluice-client: calls over exactly one connection (pick_first), reported as JSON lines; or a list
// of checks.
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "check.h"
#include "connections.h"
#include "json.h"
#include "load.h"
#include "options.h"
#include "pattern.h"

namespace {

using sluice::lab::Load;
using sluice::lab::LoadReport;
using Clock = std::chrono::steady_clock;

// How often the sockets are looked at.
constexpr std::chrono::milliseconds kLook{20};
// How long calls in flight may take to end after the last one was begun.
constexpr std::chrono::seconds kPatience{10};

std::uint32_t percentile(std::vector<std::uint32_t>& values, std::size_t permille) {
  if (values.empty()) return 0;
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) * permille / 1000);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

void print(LoadReport report, const sluice::lab::Connections& connections, Clock::time_point began,
           bool final) {
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  std::cout << "{\"t\": " << seconds << ", \"calls\": " << sluice::lab::json_counts(report.calls)
            << ", \"failed\": " << sluice::lab::json_counts(report.failed)
            << ", \"in_flight\": " << report.in_flight
            << ", \"connections\": " << connections.ever()
            << ", \"connections_now\": " << connections.now()
            << ", \"p50_us\": " << percentile(report.latencies_us, 500)
            << ", \"p99_us\": " << percentile(report.latencies_us, 990)
            << ", \"p999_us\": " << percentile(report.latencies_us, 999)
            << ", \"last_error\": " << sluice::lab::json_text(report.last_error)
            << ", \"final\": " << (final ? "true" : "false") << "}" << std::endl;
}

// Ends without destructors. gRPC's own threads outlive main() and let go of their last calls while
// exit() destroys what those refer to (1 run in 75 ended in "corrupted size vs. prev_size"); and
// calls that never ended still refer to the load.
[[noreturn]] void end(int code) {
  std::cout.flush();
  std::_Exit(code);
}

}  // namespace

int main(int argc, char** argv) {
  const sluice::lab::Options options(
      argc, argv,
      "sluice-client: calls sluice.lab.Echo and prints what became of the calls, as JSON lines",
      {{"target", "198.18.0.10:50051", "address:port to call"},
       {"ca", "", "PEM file with the CA of the target's certificate; without it, cleartext"},
       {"name", "echo.lab", "with --ca, the name that the certificate must have"},
       {"check", "no", "yes: run the list of checks and end; the exit code is 1 when one fails"},
       {"channels", "1", "channels, each with one connection"},
       {"in-flight", "10", "calls in flight on each channel"},
       {"bidi", "no", "yes: streams that stay open; each message and its echo is a call"},
       {"rate", "0", "calls a second over all channels, in place of a fixed number in flight"},
       {"duration", "0", "milliseconds to run; 0: until SIGTERM or SIGINT"},
       {"interval", "200", "milliseconds between two lines"},
       {"deadline", "0", "milliseconds that each call may take; 0: no deadline"},
       {"delay", "0", "milliseconds that the pod waits before it answers"},
       {"payload", "100", "bytes in each request and reply"}});
  const sluice::lab::Security security{.ca_file = options.text("ca"), .name = options.text("name")};
  if (options.text("check") == "yes")
    end(sluice::lab::run_checks(options.text("target"), security) == 0 ? 0 : 1);

  // Blocked before gRPC starts threads, so that only sigtimedwait() below sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Load::Plan plan;
  plan.target = options.text("target");
  plan.security = security;
  plan.channels = options.number("channels");
  plan.in_flight = options.number("in-flight");
  plan.bidi = options.text("bidi") == "yes";
  plan.rate = options.number("rate");
  plan.deadline = std::chrono::milliseconds(options.number("deadline"));
  plan.request.set_payload(sluice::lab::pattern(options.number("payload")));
  plan.request.set_delay_ms(static_cast<std::uint32_t>(options.number("delay")));

  const std::string port = plan.target.substr(plan.target.rfind(':') + 1);
  sluice::lab::Connections connections(static_cast<std::uint16_t>(std::stoi(port)));
  Load load(plan);
  const auto began = Clock::now();
  const auto duration = std::chrono::milliseconds(options.number("duration"));
  const auto interval = std::chrono::milliseconds(options.number("interval"));
  auto next_line = began + interval;
  load.start();
  const timespec look{0, std::chrono::nanoseconds(kLook).count()};
  while (sigtimedwait(&signals, nullptr, &look) < 0) {
    connections.look();
    const auto now = Clock::now();
    if (duration.count() > 0 && now - began >= duration) break;
    if (now < next_line) continue;
    next_line += interval;
    print(load.report(), connections, began, false);
  }
  const bool all_ended = load.stop(kPatience);
  connections.look();
  print(load.report(), connections, began, true);
  end(all_ended ? 0 : 3);
}
