// sluice-pod: one gRPC pod of the lab. Takes its place from POD_IP, POD_PORT and POD_NAME, and TLS
// from POD_CERTIFICATE and POD_KEY; SIGTERM lets running calls end.
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include "echo_service.h"
#include "ledger.h"
#include "options.h"

namespace {

// Above the 4 MB that a gRPC message may have by default, so that a test of the limit meets Sluice
// and not the pod.
constexpr int kMaxMessageBytes = 64 << 20;

std::string environment(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : value;
}

// Cleartext, or TLS with the certificate chain and the key that POD_CERTIFICATE and POD_KEY name.
std::shared_ptr<grpc::ServerCredentials> credentials() {
  const std::string certificate = environment("POD_CERTIFICATE", "");
  if (certificate.empty()) return grpc::InsecureServerCredentials();
  const auto read = [](const std::string& file) {
    std::ifstream in(file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({read(environment("POD_KEY", "")), read(certificate)});
  return grpc::SslServerCredentials(options);
}

}  // namespace

int main(int argc, char** argv) {
  using sluice::lab::Options;
  const Options options(
      argc, argv, "sluice-pod: serves sluice.lab.Echo on POD_IP:POD_PORT as POD_NAME",
      {{"max-age", "0", "milliseconds after which a connection is asked to end (GOAWAY); 0: never"},
       {"max-age-grace", "0",
        "milliseconds that its calls have from then on; 0: as long as they take"},
       {"max-streams", "0", "concurrent streams a connection may have; 0: gRPC's default"},
       {"linger", "0",
        "milliseconds after SIGTERM before the server shuts down; until then it serves"},
       {"grace", "10000", "milliseconds that running calls have from then on"},
       {"counts", "", "file to keep the counts of calls begun, ended and cancelled in"}});

  // Blocked before gRPC starts threads, so that only sigwait() below sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const std::string name = environment("POD_NAME", "pod");
  const std::string address = environment("POD_LISTEN", environment("POD_IP", "0.0.0.0")) + ":" +
                              environment("POD_PORT", "50051");
  sluice::lab::Ledger ledger(options.text("counts"));
  sluice::lab::EchoService service(name, ledger);

  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, credentials(), &port);
  builder.RegisterService(&service);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  if (const auto age = options.number("max-age"); age > 0)
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, static_cast<int>(age));
  if (const auto grace = options.number("max-age-grace"); grace > 0)
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, static_cast<int>(grace));
  if (const auto streams = options.number("max-streams"); streams > 0)
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(streams));
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::cerr << name << ": cannot listen on " << address << "\n";
    return 1;
  }
  std::cout << name << " serves on " << address << std::endl;

  int signal = 0;
  sigwait(&signals, &signal);
  // gRPC C++ has no GracefulStop: a call that meets Shutdown() on its way is answered CANCELLED. So
  // pods in C++ wait, in a preStop hook or here, until nobody sends to them any more.
  std::this_thread::sleep_for(std::chrono::milliseconds(options.number("linger")));
  server->Shutdown(std::chrono::system_clock::now() +
                   std::chrono::milliseconds(options.number("grace")));
  server->Wait();
  std::cout << name << " ended: " << ledger.counts().begun << " calls begun, "
            << ledger.counts().cancelled << " cancelled" << std::endl;
  return 0;
}
