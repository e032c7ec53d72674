// libFuzzer: a server's stream. The first byte chooses: any bytes instead of a ClientHello, or a
// handshake of OpenSSL's client with either record layer, and then what the input says: calls of
// either side, and bytes that are put among the client's records or change them. Whatever comes,
// the plain bytes that the server hears are a prefix of those that the client wrote, and the queue
// of errors is clean.

#include <rte_eal.h>

#include <cstdio>
#include <iterator>

#include "tls/fixture.h"

using namespace sluice;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

struct Input {
  const uint8_t* data;
  size_t size;

  uint8_t byte() {
    if (size == 0) return 0;
    --size;
    return *data++;
  }
  std::string bytes(size_t n) {
    n = std::min(n, size);
    std::string s(reinterpret_cast<const char*>(data), n);
    data += n;
    size -= n;
    return s;
  }
};

// The parts of a worker that a stream needs; one certificate for all inputs.
struct World {
  World() {
    const test::Issued ca = test::issue("a CA", {}, nullptr, {.ca = true});
    const test::Issued leaf = test::issue("server", {"DNS:a.example"}, &ca);
    test::Directory files;
    tls::FileError error;
    std::vector<tls::Credential> credentials;
    credentials.push_back(*tls::read_credential(files.write("a.pem", leaf.pem()),
                                                files.write("a.key", leaf.key_pem()), error));
    config::TlsServer settings;
    settings.certificates.push_back(credentials[0].facts);
    tls::ServerContexts::Error why;
    contexts = tls::ServerContexts::make(settings, credentials, nullptr, "fuzz", 1, why);
  }

  buf::Pool pool{buf::make_pool("fuzz", 1023, 2176, SOCKET_ID_ANY)};
  TimerWheel wheel{Time{}};
  buf::Memory memory{pool, pool, 0, 64};
  stats::Tls stats;
  stats::Events events;
  tls::TicketKeys keys;
  tls::Context context{wheel, memory, stats, events, &keys};
  std::shared_ptr<const tls::ServerContexts> contexts;
};
World* world = nullptr;

struct Session {
  Session() {
    server = world->context.streams.create(world->context, transport::StreamPtr(&lower),
                                           world->contexts);
    stream.reset(server);
    lower.set_user(*server);
    server->set_user(owner);
  }
  void arrive(const std::string& bytes, size_t chunk) {
    ERR_clear_error();  // of the client, which shares the thread
    if (!lower.aborted && !bytes.empty()) lower.arrive(bytes, chunk, world->pool);
    require(ERR_peek_error() == 0);
  }
  test::LooseStream lower;
  test::Owner owner;
  tls::Stream* server;
  transport::StreamPtr stream;
};

void talk(Session& s, test::Client& client, Input& in) {
  std::string written;
  for (int round = 0; round < 6; ++round) {
    s.arrive(client.turn(), 1'000);
    client.hear(s.lower.drain());
  }
  require(s.owner.established);
  while (in.size > 0) {
    const size_t chunk = in.byte() + size_t{1};
    switch (in.byte() % 7) {
      case 0: {
        const std::string text = in.bytes(in.byte());
        if (!s.server->output().append_copy(
                {reinterpret_cast<const uint8_t*>(text.data()), text.size()}, world->pool))
          return;
        s.server->push();
        break;
      }
      case 1:
        s.arrive(in.bytes(in.byte()), chunk);  // what is not of the client
        written += '\xff';                     // nothing behind it may be heard
        return;
      case 2: {
        std::string record = client.write("changed");
        if (!record.empty()) record[in.byte() % record.size()] ^= static_cast<char>(in.byte() | 1);
        s.arrive(record, chunk);
        break;
      }
      case 3:
        SSL_key_update(client.ssl(), in.byte() % 2);
        s.arrive(client.write("k"), chunk);
        written += 'k';
        break;
      case 4:
        SSL_shutdown(client.ssl());
        s.arrive(client.said(), chunk);
        break;
      case 5:
        s.server->close();
        break;
      default: {
        const std::string text = in.bytes(in.byte());
        if (text.empty()) break;
        s.arrive(client.write(text), chunk);
        written += text;
        break;
      }
    }
    client.hear(s.lower.drain());
    client.turn();
    std::string heard = s.owner.heard;
    if (!heard.empty() && (heard.back() == '!' || heard.back() == '.')) return;
    require(written.starts_with(heard) || s.lower.closed);
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* options[] = {"fuzz",     "--no-huge", "--no-pci",       "--no-shconf", "-m",   "64",
                           "--lcores", "0",         "--no-telemetry", "--log-level", "error"};
  if (rte_eal_init(static_cast<int>(std::size(options)), const_cast<char**>(options)) < 0) return 1;
  world = new World;
  return world->contexts == nullptr;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in{data, size};
  const uint8_t kind = in.byte();
  {
    world->context.own_records = (kind & 4) == 0;
    Session s;
    if (kind % 2 == 0) {
      const size_t chunk = in.byte() + size_t{1};
      s.arrive(in.bytes(in.size), chunk);
      require(!s.owner.established);
    } else {
      test::Client client;
      client.only(kind % 4 == 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
      talk(s, client, in);
    }
  }
  require(world->stats.handshaking.get() == 0);
  require(rte_mempool_in_use_count(world->pool.mempool()) == 0);
  return 0;
}
