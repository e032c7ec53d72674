// Listeners with TLS: their certificates are part of the configuration.

#include <gtest/gtest.h>

#include <algorithm>

#include "loader/load.h"
#include "support/configuration_files.h"
#include "tls/certificates.h"
#include "tls/server_contexts.h"

namespace sluice::loader {
namespace {

using test::Issued;

class TlsListener : public testing::Test {
 protected:
  TlsListener() {
    write("a", server);
    files.write("clients.pem", ca.pem());
  }
  void write(const std::string& name, const Issued& issued) {
    files.write(name + ".pem", issued.pem());
    files.write(name + ".key", issued.key_pem());
  }
  // A second listener; `tls` are the lines of its table.
  Loaded read(const std::string& tls, const std::string& protocol = "https") {
    files.write("sluiced.toml",
                files.config("[[listener]]\nname = \"edge\"\naddress = "
                             "\"198.18.0.10:443\"\nservice = \"echo\"\nprotocol = \"" +
                             protocol + "\"\n" + tls));
    return load(files.path("sluiced.toml"));
  }
  std::string mistakes(const std::string& tls, const std::string& protocol = "https") {
    std::string all;
    for (const Mistake& m : read(tls, protocol).mistakes) all += m.text + "\n";
    return all;
  }
  static constexpr const char* kOne =
      "tls.certificates = [{ certificate = \"a.pem\", key = \"a.key\" }]\n";

  test::Files files;
  const Issued ca = test::issue("a CA", {}, nullptr, {.ca = true});
  const Issued server = test::issue("server", {"DNS:a.example"}, &ca);
};

TEST_F(TlsListener, has_certificates_that_make_its_contexts) {
  const Loaded l = read(kOne);
  ASSERT_TRUE(l.snapshot) << mistakes(kOne);
  const config::Listener& listener = l.snapshot->listeners[1];
  EXPECT_EQ(listener.protocol, config::Protocol::kHttps);
  EXPECT_NE(listener.tls.contexts, nullptr);
  ASSERT_EQ(listener.tls.certificates.size(), 1u);
  EXPECT_EQ(listener.tls.certificates[0].names, std::vector<std::string>{"a.example"});
  for (const char* file : {"a.pem", "a.key"})
    EXPECT_NE(std::find(l.files.begin(), l.files.end(), files.path(file)), l.files.end())
        << file << " is watched";
}

TEST_F(TlsListener, of_bytes_ends_tls_with_protocols_of_its_own) {
  const Loaded l = read(std::string(kOne) + "tls.alpn = [\"imap\", \"h2\"]\n", "tls");
  ASSERT_TRUE(l.snapshot) << mistakes(kOne, "tls");
  EXPECT_TRUE(l.snapshot->listeners[1].ends_tls());
  EXPECT_EQ(l.snapshot->listeners[1].tls.contexts->alpn(), "\x04imap\x02h2");
  EXPECT_EQ(read(kOne, "tls").snapshot->listeners[1].tls.contexts->alpn(), "");
  EXPECT_EQ(read(kOne).snapshot->listeners[1].tls.contexts->alpn(),
            "\x02h2\x08http/1.1\x08http/1.0");
  EXPECT_NE(mistakes(std::string(kOne) + "tls.alpn = [\"h2\"]\n").find("alpn is of listeners"),
            std::string::npos);
}

TEST_F(TlsListener, is_the_same_as_long_as_its_files_are) {
  const Loaded before = read(kOne);
  EXPECT_EQ(*before.snapshot, *read(kOne).snapshot);
  write("a", test::issue("server", {"DNS:a.example"}, &ca));
  EXPECT_NE(*before.snapshot, *read(kOne).snapshot) << "another certificate for the same names";
}

TEST_F(TlsListener, needs_a_certificate_and_a_key) {
  EXPECT_NE(mistakes("").find("needs a table tls"), std::string::npos);
  EXPECT_NE(mistakes("tls = {}\n").find("certificates must name at least one"), std::string::npos);
  EXPECT_NE(mistakes("tls.certificates = [{ certificate = \"a.pem\" }]\n").find("lacks key"),
            std::string::npos);
  EXPECT_NE(mistakes(kOne, "h2c").find("tls is for listeners with protocol = \"https\""),
            std::string::npos);
}

TEST_F(TlsListener, with_a_bad_file_is_refused_with_the_files_name_and_the_reason) {
  files.write("a.key", ca.key_pem());
  const std::string why = mistakes(kOne);
  EXPECT_NE(why.find(files.path("a.key").string() + ": the key does not belong to the certificate"),
            std::string::npos)
      << why;
  EXPECT_NE(mistakes("tls.certificates = [{ certificate = \"none.pem\", key = \"a.key\" }]\n")
                .find("none.pem: No such file or directory"),
            std::string::npos);
}

TEST_F(TlsListener, with_an_expired_certificate_is_a_warning) {
  write("a", test::issue("old", {}, &ca, {.begins = -2 * 86'400, .ends = -86'400}));
  const Loaded l = read(kOne);
  ASSERT_TRUE(l.snapshot);
  EXPECT_TRUE(std::any_of(l.warnings.begin(), l.warnings.end(), [](const Mistake& m) {
    return m.text.find("a.pem: the certificate has expired on") != std::string::npos;
  }));
}

TEST_F(TlsListener, with_a_certificate_that_no_handshake_can_have_is_a_warning) {
  write("b", test::issue("another", {"DNS:b.example"}, &ca));
  write("again", test::issue("again", {"DNS:A.example"}, &ca));
  write("nameless", test::issue("nameless", {}, &ca));
  const auto warnings = [&](const std::string& second) {
    const Loaded l = read(
        "tls.certificates = [{ certificate = \"a.pem\", key = \"a.key\" }, "
        "{ certificate = \"" +
        second + ".pem\", key = \"" + second + ".key\" }]\n");
    EXPECT_TRUE(l.snapshot);
    std::string all;
    for (const Mistake& m : l.warnings)
      if (m.text.find(second + ".pem") != std::string::npos) all += m.text + "\n";
    return all;
  };
  EXPECT_EQ(warnings("b"), "");
  EXPECT_NE(warnings("again").find("certificates before it have all of its names"),
            std::string::npos);
  EXPECT_NE(warnings("nameless").find("it has no DNS name"), std::string::npos);
  write("odd", test::issue("odd", {"DNS:odd.example"}, &ca, {.kind = test::KeyKind::kSecp256k1}));
  EXPECT_NE(warnings("odd").find("keys of the curve secp256k1"), std::string::npos);
}

TEST_F(TlsListener, may_ask_clients_for_certificates) {
  const std::string clients = "tls.client_certificates = { ca = \"clients.pem\" }\n";
  const Loaded l = read(kOne + clients);
  ASSERT_TRUE(l.snapshot) << mistakes(kOne + clients);
  const config::ClientCertificates& rule = l.snapshot->listeners[1].tls.clients;
  EXPECT_EQ(rule.mode, config::ClientCertificates::Mode::kRequired);
  EXPECT_EQ(rule.depth, 4u);
  EXPECT_NE(*l.snapshot, *read(kOne).snapshot);
  EXPECT_NE(mistakes(std::string(kOne) + "tls.client_certificates = { ca = \"a.key\" }\n")
                .find("a.key: has no certificate"),
            std::string::npos);
  EXPECT_NE(mistakes(std::string(kOne) + "tls.client_certificates = { mode = \"optional\" }\n")
                .find("lacks ca"),
            std::string::npos);
}

class TicketKeyFiles : public testing::Test {
 protected:
  void write(const std::string& name, char first, size_t size = 80) {
    files.write(name, std::string(size, first));
  }
  Loaded read(const std::string& keys) {
    files.write("sluiced.toml", files.config("[tls]\nticket_keys = " + keys + "\n"));
    return load(files.path("sluiced.toml"));
  }
  std::string mistake(const std::string& keys) {
    const Loaded l = read(keys);
    return l.mistakes.empty() ? "" : l.mistakes.front().text;
  }
  test::Files files;
};

TEST_F(TicketKeyFiles, are_read_in_their_order_and_watched) {
  write("new.key", 'n');
  write("old.key", 'o');
  const Loaded l = read("[\"new.key\", \"old.key\"]");
  ASSERT_TRUE(l.snapshot) << l.mistakes.front().text;
  ASSERT_EQ(l.snapshot->ticket_keys.size(), 2u);
  EXPECT_EQ(l.snapshot->ticket_keys[0][0], 'n');
  EXPECT_EQ(l.snapshot->ticket_keys[1][79], 'o');
  EXPECT_NE(std::find(l.files.begin(), l.files.end(), files.path("old.key")), l.files.end());
}

TEST(KeyLog, exists_only_when_a_key_asks_for_it) {
  const test::Files files;
  files.write("sluiced.toml", files.config(""));
  EXPECT_EQ(load(files.path("sluiced.toml")).snapshot->startup.tls_key_log, "");
  files.write("sluiced.toml", files.config("[tls]\nkey_log = \"secrets.keys\"\n"));
  EXPECT_EQ(load(files.path("sluiced.toml")).snapshot->startup.tls_key_log,
            files.path("secrets.keys").string());
  files.write("sluiced.toml", files.config("[tls]\nkey_log = \"\"\n"));
  const Loaded l = load(files.path("sluiced.toml"));
  ASSERT_FALSE(l.mistakes.empty());
  EXPECT_EQ(l.mistakes.front().text, "key_log is empty; it must say something");
}

TEST_F(TicketKeyFiles, are_refused_with_name_and_reason) {
  write("short.key", 's', 79);
  write("long.key", 'l', 81);
  write("zero.key", 0);
  write("a.key", 'a');
  EXPECT_NE(mistake("[\"short.key\"]").find("short.key: a key of tickets has 80 bytes"),
            std::string::npos);
  EXPECT_NE(mistake("[\"long.key\"]").find("80 bytes"), std::string::npos);
  EXPECT_NE(mistake("[\"zero.key\"]").find("all zeros"), std::string::npos);
  EXPECT_NE(mistake("[\"none.key\"]").find("none.key: cannot be read"), std::string::npos);
  EXPECT_NE(mistake("[\"a.key\", \"a.key\"]").find("same name"), std::string::npos);
  EXPECT_NE(mistake("[]").find("1 to 3 files"), std::string::npos);
}

}  // namespace
}  // namespace sluice::loader
