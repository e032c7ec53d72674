// How many handshakes helper threads make: servers' steps only, in full handshakes of TLS 1.3. One
// helper and several take turns, so that other load of the machine meets both.
//
//   handshakes ecdsa|rsa HELPERS ROUNDS     prints one JSON line

#include <sys/resource.h>
#include <sys/time.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/eal.h"
#include "tls/fixture.h"
#include "tls/handshake_pool.h"

namespace sluice::perf {
namespace {

constexpr size_t kBatch = 200;  // handshakes of a round

struct Result {
  double wall = 0;  // seconds
  double cpu = 0;   // seconds of all threads
  size_t handshakes = 0;
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_now() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

struct Party {
  test::Client client;
  tls::HandshakePtr server;
};

// One step of all servers, with what their clients say.
void step(tls::HandshakeQueue& queue, std::vector<Party>& parties, Result& result) {
  for (Party& p : parties) {
    const std::string said = p.client.turn();
    p.server->add_input({reinterpret_cast<const uint8_t*>(said.data()), said.size()});
  }
  const double wall = now();
  const double cpu = cpu_now();
  for (Party& p : parties) queue.submit(p.server);
  size_t back = 0;
  while (back < parties.size()) {
    if (queue.collect([&](tls::HandshakePtr h) { parties[back++].server = std::move(h); }) == 0)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  result.wall += now() - wall;
  result.cpu += cpu_now() - cpu;
}

void round(tls::HandshakePool& pool, const std::shared_ptr<const tls::ServerContexts>& contexts,
           Result& result) {
  tls::HandshakeQueue& queue = pool.queue(0);
  std::vector<Party> parties(kBatch);
  std::vector<Party*> by_address;
  for (Party& p : parties) {
    p.client.only(TLS1_3_VERSION);
    p.server = std::make_unique<tls::Handshake>(contexts, queue.lane(), nullptr);
    // So that a handshake that comes back out of order finds its client.
    p.server->stream = reinterpret_cast<tls::Stream*>(&p);
  }
  for (int i = 0; i < 2; ++i) {
    step(queue, parties, result);
    std::vector<tls::HandshakePtr> all;
    for (Party& p : parties) all.push_back(std::move(p.server));
    for (tls::HandshakePtr& h : all) {
      Party& p = *reinterpret_cast<Party*>(h->stream);
      const std::vector<uint8_t> said = h->take_output();
      p.client.hear({reinterpret_cast<const char*>(said.data()), said.size()});
      p.server = std::move(h);
    }
  }
  for (const Party& p : parties)
    if (p.server->state() == tls::Handshake::State::kDone) ++result.handshakes;
}

int run(test::KeyKind kind, size_t helpers, int rounds) {
  const test::Issued ca = test::issue("a CA", {}, nullptr, {.ca = true});
  const test::Issued leaf = test::issue("server", {"DNS:a.example"}, &ca, {.kind = kind});
  const test::Directory files;
  tls::FileError error;
  std::vector<tls::Credential> credentials;
  credentials.push_back(*tls::read_credential(files.write("a.pem", leaf.pem()),
                                              files.write("a.key", leaf.key_pem()), error));
  config::TlsServer settings;
  settings.certificates.push_back(credentials[0].facts);
  tls::ServerContexts::Error why;
  const auto contexts =
      tls::ServerContexts::make(settings, credentials, nullptr, "perf", helpers, why);
  Result one;
  Result several;
  {
    tls::HandshakePool single({.helpers = 1, .workers = 1});
    tls::HandshakePool many({.helpers = helpers, .workers = 1});
    Result warm;
    round(single, contexts, warm);
    round(many, contexts, warm);
    for (int i = 0; i < rounds; ++i) {
      round(single, contexts, one);
      round(many, contexts, several);
    }
  }
  const auto rate = [](const Result& r) { return static_cast<double>(r.handshakes) / r.wall; };
  const auto cpu = [](const Result& r) { return r.cpu / static_cast<double>(r.handshakes) * 1e6; };
  std::printf(
      "{\"helpers\": %zu, \"a_second_by_one\": %.0f, \"a_second_by_all\": %.0f, \"ratio\": %.2f, "
      "\"cpu_us_by_one\": %.0f, \"cpu_us_by_all\": %.0f}\n",
      helpers, rate(one), rate(several), rate(several) / rate(one), cpu(one), cpu(several));
  return one.handshakes == several.handshakes ? 0 : 1;
}

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "handshakes ecdsa|rsa HELPERS ROUNDS\n");
    return 2;
  }
  const auto kind =
      std::string(argv[1]) == "rsa" ? sluice::test::KeyKind::kRsa : sluice::test::KeyKind::kEcdsa;
  return sluice::test::with_eal([&] {
    return sluice::perf::run(kind, static_cast<size_t>(std::atoi(argv[2])), std::atoi(argv[3]));
  });
}
