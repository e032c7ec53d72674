// What a record costs, in cycles: made and read by either record layer, and the AEAD alone.
//
//   records CIPHER SIZE ROUNDS     of TLS 1.3, such as TLS_AES_128_GCM_SHA256; prints one JSON line

#include <rte_cycles.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "support/eal.h"
#include "tls/fixture.h"
#include "tls/handshake.h"
#include "tls/library.h"
#include "tls/openssl_records.h"
#include "tls/own_records.h"

namespace sluice::perf {
namespace {

constexpr uint32_t kSegment = 1'448;  // bytes that arrive together

struct World {
  World() {
    const test::Issued ca = test::issue("a CA", {}, nullptr, {.ca = true});
    const test::Issued leaf = test::issue("server", {"DNS:a.example"}, &ca);
    const test::Directory files;
    tls::FileError error;
    std::vector<tls::Credential> credentials;
    credentials.push_back(*tls::read_credential(files.write("a.pem", leaf.pem()),
                                                files.write("a.key", leaf.key_pem()), error));
    config::TlsServer settings;
    settings.certificates.push_back(credentials[0].facts);
    tls::ServerContexts::Error why;
    contexts = tls::ServerContexts::make(settings, credentials, nullptr, "perf", 1, why);
  }
  buf::Pool pool{buf::make_pool("perf", 4'095, 2'176, SOCKET_ID_ANY)};
  buf::Memory memory{pool, pool, 0, 64};
  Time now{};
  config::Guards guards;
  stats::Tls stats;
  std::array<uint8_t, tls::Records::kMaxPlain> scratch;
  std::shared_ptr<const tls::ServerContexts> contexts;
};

// The median of many turns, which other load of the machine does not move far.
class Cycles {
 public:
  void measure(const std::function<void()>& work) {
    const uint64_t before = rte_rdtsc_precise();
    work();
    all_.push_back(rte_rdtsc_precise() - before);
  }
  uint64_t median() {
    std::nth_element(all_.begin(), all_.begin() + static_cast<ptrdiff_t>(all_.size() / 2),
                     all_.end());
    return all_[all_.size() / 2];
  }

 private:
  std::vector<uint64_t> all_;
};

struct Cost {
  Cycles seal;
  Cycles open;
};

struct Connection {
  Connection(World& w, const char* cipher, bool own) : world(w) {
    client.only(TLS1_3_VERSION);
    SSL_set_ciphersuites(client.ssl(), cipher);
    tls::Handshake server(w.contexts, 0, nullptr);
    if (!own) server.keep_openssl();
    while (server.state() == tls::Handshake::State::kUnderWay) {
      const std::string said = client.turn();
      server.add_input({reinterpret_cast<const uint8_t*>(said.data()), said.size()});
      server.step();
      const std::vector<uint8_t> answer = server.take_output();
      client.hear({reinterpret_cast<const char*>(answer.data()), answer.size()});
    }
    auto result = server.take_result();
    if (own) {
      records =
          std::make_unique<tls::OwnRecords>(std::move(*result.keys), false, watch, w.memory, out);
    } else {
      records = std::make_unique<tls::OpensslRecords>(std::move(result.ssl), false, watch, w.memory,
                                                      out, w.scratch);
    }
  }
  void seal(const std::string& text, Cycles& cycles) {
    plain.append_copy({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, world.pool);
    cycles.measure([&] { records->seal(plain, static_cast<uint32_t>(text.size())); });
    out.clear();
  }
  void open(const std::string& text, Cycles& cycles) {
    std::vector<buf::Slice> slices;
    const std::string record = client.write(text);
    for (std::string_view rest = record; !rest.empty();
         rest.remove_prefix(std::min<size_t>(kSegment, rest.size()))) {
      const std::string_view piece = rest.substr(0, kSegment);
      buf::Slice s = world.pool.alloc();
      std::memcpy(s.mutable_data(), piece.data(), piece.size());
      s.grow_back(static_cast<uint32_t>(piece.size()));
      slices.push_back(std::move(s));
    }
    cycles.measure([&] {
      for (buf::Slice& s : slices) {
        records->receive(std::move(s));
        for (buf::Slice read; records->read(read) == tls::Records::Read::kPlain;) read.reset();
      }
    });
  }

  World& world;
  test::Client client;
  tls::RecordWatch watch{world.now, world.guards, world.stats, true};
  buf::Queue out;
  buf::Queue plain;
  std::unique_ptr<tls::Records> records;
};

// The AEAD over the same bytes, in one piece, in place.
void aead(const tls::CipherSuite& suite, size_t size, Cycles& cycles) {
  const std::vector<uint8_t> secret(suite.secret_size, 1);
  const auto key =
      tls::TrafficKey::make(tls::library_of(0), suite, tls::TrafficKey::Use::kSeal, secret, 0);
  std::vector<uint8_t> text(size + 1);
  uint8_t header[tls::TrafficKey::kHeaderSize] = {};
  uint8_t tag[tls::TrafficKey::kTagSize];
  cycles.measure([&] {
    key->begin(header);
    key->pass(text.data(), text.data(), static_cast<uint32_t>(text.size()));
    key->seal(tag);
  });
}

int run(const char* cipher, size_t size, int rounds) {
  World& world = *new World;  // the EAL's memory goes with the process
  Connection own(world, cipher, true);
  Connection openssl(world, cipher, false);
  const tls::CipherSuite* suite =
      tls::suite_of(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(own.client.ssl())));
  const std::string text(size, 'x');
  Cost ours;
  Cost theirs;
  Cycles alone;
  for (int i = 0; i < rounds; ++i) {
    world.memory.refresh();
    own.seal(text, ours.seal);
    openssl.seal(text, theirs.seal);
    own.open(text, ours.open);
    openssl.open(text, theirs.open);
    if (i % 10 == 0) aead(*suite, size, alone);
  }
  std::printf(
      "{\"cipher\": \"%s\", \"size\": %zu, \"own_seal\": %llu, \"own_open\": %llu, "
      "\"openssl_seal\": %llu, \"openssl_open\": %llu, \"aead\": %llu}\n",
      cipher, size, static_cast<unsigned long long>(ours.seal.median()),
      static_cast<unsigned long long>(ours.open.median()),
      static_cast<unsigned long long>(theirs.seal.median()),
      static_cast<unsigned long long>(theirs.open.median()),
      static_cast<unsigned long long>(alone.median()));
  return 0;
}

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "records CIPHER SIZE ROUNDS\n");
    return 2;
  }
  return sluice::test::with_eal([&] {
    return sluice::perf::run(argv[1], static_cast<size_t>(std::atoi(argv[2])), std::atoi(argv[3]));
  });
}
