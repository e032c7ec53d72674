// Services whose pods speak TLS.

#include <gtest/gtest.h>

#include <algorithm>

#include "loader/load.h"
#include "support/configuration_files.h"
#include "tls/certificates.h"

namespace sluice::loader {
namespace {

using Verify = config::TlsClient::Verify;

class PodTls : public testing::Test {
 protected:
  PodTls() {
    files.write("ca.pem", ca.pem());
    const test::Issued own =
        test::issue("sluice", {"DNS:sluice.example"}, &ca, {.extended_usage = "clientAuth"});
    files.write("own.pem", own.pem());
    files.write("own.key", own.key_pem());
  }
  // A second service; `rest` are the lines of it.
  Loaded read(const std::string& rest) {
    files.write("sluiced.toml",
                files.config("[[listener]]\nname = \"edge\"\naddress = \"198.18.0.10:443\"\n"
                             "service = \"secure\"\nprotocol = \"h2c\"\n"
                             "[[service]]\nname = \"secure\"\nendpoints = []\n" +
                             rest));
    return load(files.path("sluiced.toml"));
  }
  config::Service service(const std::string& rest) {
    const Loaded l = read(rest);
    for (const Mistake& m : l.mistakes) ADD_FAILURE() << m.text;
    return l.snapshot ? l.snapshot->services.back() : config::Service{};
  }
  std::string mistakes(const std::string& rest) {
    std::string all;
    for (const Mistake& m : read(rest).mistakes) all += m.text + "\n";
    return all;
  }
  bool refused_for(const std::string& rest, const std::string& text) {
    const std::string all = mistakes(rest);
    EXPECT_NE(all.find(text), std::string::npos) << all;
    return all.find(text) != std::string::npos;
  }

  test::Files files;
  const test::Issued ca = test::issue("a CA", {}, nullptr, {.ca = true});
};

TEST_F(PodTls, needs_a_ca_and_a_name) {
  const config::Service s =
      service("protocol = \"h2\"\ntls = { ca = \"ca.pem\", expected = \"pods.example\" }\n");
  EXPECT_EQ(s.protocol, config::PodProtocol::kH2);
  EXPECT_NE(s.tls.context, nullptr);
  EXPECT_EQ(s.tls.verify, Verify::kFull);
  EXPECT_EQ(s.tls.server_name, "pods.example");
  refused_for("protocol = \"h2\"\n", "needs a table tls");
  refused_for("protocol = \"h2\"\ntls = { ca = \"ca.pem\" }\n", "expected, the name");
  refused_for("protocol = \"https1\"\ntls = { expected = \"pods.example\" }\n", "tls needs ca");
  refused_for("tls = { ca = \"ca.pem\", expected = \"pods.example\" }\n", "tls is for services");
}

TEST_F(PodTls, may_have_a_file_of_revoked_certificates) {
  const std::string begin =
      "protocol = \"h2\"\ntls = { expected = \"pods.example\", ca = \"ca.pem\"";
  const std::string with = begin + ", crl = \"crl.pem\" }\n";
  files.write("crl.pem", test::revocations(ca, nullptr));
  const Loaded l = read(with);
  ASSERT_TRUE(l.snapshot);
  EXPECT_NE(std::find(l.files.begin(), l.files.end(), files.path("crl.pem")), l.files.end())
      << "is watched";
  const config::TlsClient first = l.snapshot->services.back().tls;
  EXPECT_FALSE(first.same_rules(service(begin + " }\n").tls));
  files.write("crl.pem", test::revocations(ca, &ca));
  EXPECT_FALSE(first.same_rules(service(with).tls)) << "connections are replaced";
  files.write("crl.pem", "not a list");
  refused_for(with, "crl.pem: has no list of revoked certificates");
  refused_for("protocol = \"h2\"\ntls = { verify = \"none\", crl = \"crl.pem\" }\n",
              "neither ca nor crl nor expected");
}

TEST_F(PodTls, sends_no_server_name_for_addresses_and_uris) {
  for (const char* expected : {"198.18.1.101", "2001:db8::1", "spiffe://cluster.local/a"})
    EXPECT_EQ(service("protocol = \"https1\"\ntls = { ca = \"ca.pem\", expected = \"" +
                      std::string(expected) + "\" }\n")
                  .tls.server_name,
              "");
  EXPECT_EQ(service("protocol = \"h2\"\ntls = { ca = \"ca.pem\", expected = \"spiffe://a/b\", "
                    "server_name = \"pods.example\" }\n")
                .tls.server_name,
            "pods.example");
}

TEST_F(PodTls, has_a_certificate_of_its_own_with_the_key) {
  const std::string begin =
      "protocol = \"h2\"\ntls = { ca = \"ca.pem\", expected = \"pods.example\", ";
  const Loaded l = read(begin + "certificate = \"own.pem\", key = \"own.key\" }\n");
  ASSERT_TRUE(l.snapshot);
  ASSERT_EQ(l.snapshot->services.back().tls.certificates.size(), 1u);
  for (const char* file : {"ca.pem", "own.pem", "own.key"})
    EXPECT_NE(std::find(l.files.begin(), l.files.end(), files.path(file)), l.files.end())
        << file << " is watched";
  refused_for(begin + "certificate = \"own.pem\" }\n", "certificate and key come together");
  const test::Issued server =
      test::issue("server", {"DNS:a.example"}, &ca, {.extended_usage = "serverAuth"});
  files.write("server.pem", server.pem());
  files.write("server.key", server.key_pem());
  refused_for(begin + "certificate = \"server.pem\", key = \"server.key\" }\n",
              "not for TLS clients");
}

TEST_F(PodTls, verifies_nothing_only_when_told_so_and_warns) {
  const Loaded l = read("protocol = \"h2\"\ntls = { verify = \"none\" }\n");
  ASSERT_TRUE(l.snapshot);
  EXPECT_EQ(l.snapshot->services.back().tls.verify, Verify::kNone);
  EXPECT_TRUE(std::any_of(l.warnings.begin(), l.warnings.end(), [](const Mistake& m) {
    return m.text.find("not verified") != std::string::npos;
  }));
  refused_for("protocol = \"h2\"\ntls = { verify = \"none\", ca = \"ca.pem\" }\n",
              "neither ca nor crl nor expected");
}

TEST_F(PodTls, is_refused_with_a_bad_file) {
  refused_for("protocol = \"h2\"\ntls = { ca = \"none.pem\", expected = \"pods.example\" }\n",
              "none.pem: ");
}

TEST_F(PodTls, is_the_same_as_long_as_its_files_are) {
  const std::string lines =
      "protocol = \"h2\"\ntls = { ca = \"ca.pem\", expected = \"pods.example\" }\n";
  const config::Service before = service(lines);
  EXPECT_TRUE(service(lines) == before);
  files.write("ca.pem", test::issue("another CA", {}, nullptr, {.ca = true}).pem());
  const config::Service after = service(lines);
  EXPECT_FALSE(after == before);
  EXPECT_FALSE(after.tls.same_rules(before.tls));
}

}  // namespace
}  // namespace sluice::loader
