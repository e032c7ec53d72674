// The server name of a ClientHello, however its bytes arrive.

#include "tls/hello_reader.h"

#include <gtest/gtest.h>

#include "tls/hello.h"
#include "tls/openssl.h"

namespace sluice::test {
namespace {

using State = tls::HelloReader::State;
constexpr uint32_t kLimit = 65'536;

buf::View bytes(std::string_view s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

// Reads in pieces of so many bytes.
State read(tls::HelloReader& reader, std::string_view all, size_t piece = SIZE_MAX) {
  for (; !all.empty() && reader.state() == State::kMore;
       all.remove_prefix(std::min(piece, all.size())))
    reader.read(bytes(all.substr(0, piece)));
  return reader.state();
}
State state_of(std::string_view all) {
  tls::HelloReader reader(kLimit);
  return read(reader, all);
}

TEST(HelloReader, finds_the_name_whatever_the_cuts_into_segments_and_records) {
  const std::string message =
      hello_message(server_name_extension("A.Example.") + extension(21, std::string(1'800, '\0')));
  for (const size_t record : {1, 3, 100, 1'200, 16'384})
    for (const size_t piece : {1, 2, 5, 700, 1'448, 100'000}) {
      tls::HelloReader reader(kLimit);
      EXPECT_EQ(read(reader, in_records(message, record), piece), State::kWhole)
          << record << ' ' << piece;
      EXPECT_EQ(reader.server_name(), "a.example");
    }
}

TEST(HelloReader, reads_what_openssl_writes) {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> ctx(SSL_CTX_new(TLS_client_method()),
                                                        SSL_CTX_free);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(ctx.get()), SSL_free);
    SSL_set_max_proto_version(ssl.get(), version);
    BIO* out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
    SSL_set_tlsext_host_name(ssl.get(), "db.example");
    SSL_set_connect_state(ssl.get());
    SSL_do_handshake(ssl.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    tls::HelloReader reader(kLimit);
    EXPECT_EQ(read(reader, {data, static_cast<size_t>(size)}), State::kWhole);
    EXPECT_EQ(reader.server_name(), "db.example");
  }
}

TEST(HelloReader, takes_a_client_without_a_name_or_without_extensions) {
  tls::HelloReader reader(kLimit);
  EXPECT_EQ(read(reader, client_hello("")), State::kWhole);
  EXPECT_EQ(reader.server_name(), "");
  const std::string body = "\x03\x01" + std::string(32, 'r') + std::string("\0", 1) + u16_of(2) +
                           std::string("\x00\x2f\x01\x00", 4);
  const std::string old = std::string("\x01\x00", 2) + u16_of(body.size()) + body;
  EXPECT_EQ(state_of(in_records(old)), State::kWhole);
}

TEST(HelloReader, waits_for_the_last_byte) {
  const std::string all = client_hello("a.example");
  for (size_t n = 0; n < all.size(); ++n) EXPECT_EQ(state_of(all.substr(0, n)), State::kMore) << n;
  EXPECT_EQ(state_of(all), State::kWhole);
}

TEST(HelloReader, tells_other_protocols_at_their_first_bytes) {
  EXPECT_EQ(state_of("G"), State::kNotTls);
  EXPECT_EQ(state_of("SSH-2.0"), State::kNotTls);
  EXPECT_EQ(state_of("\x16\x02"), State::kNotTls);
  EXPECT_EQ(state_of("\x17\x03\x03"), State::kNotTls) << "application data";
}

TEST(HelloReader, refuses_what_is_malformed) {
  EXPECT_EQ(state_of(std::string("\x16\x03\x01\x00\x00", 5)), State::kBroken) << "an empty record";
  EXPECT_EQ(state_of("\x16\x03\x01\x40\x01"), State::kBroken) << "a record above 2^14";
  EXPECT_EQ(state_of(in_records(std::string("\x02\x00\x00\x01z", 5))), State::kBroken)
      << "a ServerHello";
  EXPECT_EQ(state_of(in_records(hello_message(server_name_extension("a.example") +
                                              server_name_extension("b.example")))),
            State::kBroken)
      << "two names";
  EXPECT_EQ(state_of(in_records(hello_message(server_name_extension("")))), State::kBroken);
  EXPECT_EQ(state_of(in_records(hello_message(extension(43, "abc") + "x"))), State::kBroken);
  // Each prefix of a body, as a whole message.
  const std::string body = hello_message(server_name_extension("a.example")).substr(4);
  for (size_t n = 1; n < body.size(); ++n) {
    const std::string cut = std::string("\x01\x00", 2) + u16_of(n) + body.substr(0, n);
    const State s = state_of(in_records(cut));
    constexpr size_t kWithoutExtensions = 2 + 32 + 33 + 6 + 2;  // a hello of its own
    EXPECT_EQ(s, n == kWithoutExtensions ? State::kWhole : State::kBroken) << n;
  }
}

TEST(HelloReader, bounds_what_it_reads) {
  tls::HelloReader reader(1'000);
  EXPECT_EQ(read(reader, client_hello("a.example", 2'000)), State::kTooLong);
  // A hello that comes byte by byte in records of a byte, without end.
  tls::HelloReader drip(1'000);
  std::string endless = in_records(std::string("\x01\x00\x03\x00", 4) + std::string(700, 'x'), 1);
  EXPECT_EQ(read(drip, endless, 7), State::kTooLong);
}

}  // namespace
}  // namespace sluice::test
