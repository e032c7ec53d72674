#include "tls/credential.h"

#include <gtest/gtest.h>

#include <ctime>

#include <openssl/err.h>
#include "tls/certificates.h"

namespace sluice::test {
namespace {

using testing::Test;
using Which = tls::FileError::Which;

class CredentialTest : public Test {
 protected:
  // The mistake; empty when both files are in order.
  std::string read(const std::string& certificate, const std::string& key) {
    tls::FileError error;
    credential =
        tls::read_credential(files.write("a.pem", certificate), files.write("a.key", key), error);
    EXPECT_EQ(ERR_peek_error(), 0u) << "the queue of errors is clean";
    if (credential) return {};
    which = error.which;
    return error.text;
  }

  Directory files;
  Issued ca = issue("a CA", {}, nullptr, {.ca = true});
  Issued intermediate = issue("another CA", {}, &ca, {.ca = true});
  Issued server = issue("server", {"DNS:a.example", "DNS:*.b.example", "IP:192.0.2.1"},
                        &intermediate, {.kind = KeyKind::kRsa});
  std::optional<tls::Credential> credential;
  Which which{};
};

TEST_F(CredentialTest, has_the_facts_of_its_certificate) {
  ASSERT_EQ(read(server.pem() + intermediate.pem(), server.key_pem()), "");
  const config::Certificate& facts = credential->facts;
  EXPECT_EQ(facts.names, (std::vector<std::string>{"a.example", "*.b.example", "192.0.2.1"}));
  EXPECT_EQ(facts.subject, "CN=server");
  EXPECT_EQ(facts.issuer, "CN=another CA");
  EXPECT_EQ(facts.key_type, "RSA-2048");
  EXPECT_NEAR(static_cast<double>(facts.not_after - std::time(nullptr)), 30 * 86'400, 60);
  EXPECT_EQ(credential->chain.size(), 1u);
  ASSERT_EQ(read(ca.pem(), ca.key_pem()), "");
  EXPECT_EQ(credential->facts.key_type, "P-256");
}

TEST_F(CredentialTest, has_a_digest_of_the_whole_chain) {
  ASSERT_EQ(read(server.pem(), server.key_pem()), "");
  const std::string alone = credential->facts.digest;
  ASSERT_EQ(read(server.pem() + intermediate.pem(), server.key_pem()), "");
  EXPECT_NE(credential->facts.digest, alone);
}

TEST_F(CredentialTest, needs_files_that_can_be_read) {
  tls::FileError error;
  EXPECT_FALSE(tls::read_credential(files.path("none.pem"), files.path("none.key"), error));
  EXPECT_EQ(error.which, Which::kCertificate);
  EXPECT_EQ(error.text, "No such file or directory");
  EXPECT_FALSE(
      tls::read_credential(files.write("b.pem", server.pem()), files.path("none.key"), error));
  EXPECT_EQ(error.which, Which::kKey);
  EXPECT_EQ(error.text, "No such file or directory");
}

TEST_F(CredentialTest, needs_pem) {
  EXPECT_NE(read("not a certificate", server.key_pem()).find("has no certificate"),
            std::string::npos);
  std::string broken = server.pem();
  broken[broken.size() / 2] = '!';
  EXPECT_NE(read(broken, server.key_pem()).find("not valid PEM"), std::string::npos);
  EXPECT_NE(read(server.pem(), "not a key").find("has no usable private key"), std::string::npos);
  EXPECT_EQ(which, Which::kKey);
}

TEST_F(CredentialTest, needs_the_key_of_its_certificate) {
  EXPECT_NE(read(server.pem(), ca.key_pem()).find("does not belong to the certificate"),
            std::string::npos);
  EXPECT_EQ(which, Which::kKey);
}

TEST_F(CredentialTest, takes_no_key_with_a_passphrase) {
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), server.key.get(), EVP_aes_256_cbc(), "secret", 6,
                                nullptr, nullptr);
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio.get(), &data);
  EXPECT_NE(read(server.pem(), std::string(data, static_cast<size_t>(n))).find("passphrase"),
            std::string::npos);
}

TEST_F(CredentialTest, needs_a_chain_in_order) {
  EXPECT_EQ(read(server.pem() + intermediate.pem() + ca.pem(), server.key_pem()), "");
  const std::string why = read(server.pem() + ca.pem() + intermediate.pem(), server.key_pem());
  EXPECT_NE(why.find("certificate 2 (CN=a CA) did not issue certificate 1 (CN=server)"),
            std::string::npos)
      << why;
}

TEST_F(CredentialTest, needs_a_certificate_for_servers) {
  const Issued client = issue("client", {}, &ca, {.extended_usage = "clientAuth"});
  EXPECT_NE(read(client.pem(), client.key_pem()).find("not for TLS servers"), std::string::npos);
}

TEST_F(CredentialTest, may_have_expired_and_says_so) {
  const std::time_t now = std::time(nullptr);
  const Issued old = issue("old", {}, &ca, {.begins = -20 * 86'400, .ends = -86'400});
  ASSERT_EQ(read(old.pem(), old.key_pem()), "");
  EXPECT_NE(tls::validity(credential->facts, now).find("has expired on"), std::string::npos);
  const Issued early = issue("early", {}, &ca, {.begins = 86'400});
  ASSERT_EQ(read(early.pem(), early.key_pem()), "");
  EXPECT_NE(tls::validity(credential->facts, now).find("is not valid before"), std::string::npos);
  ASSERT_EQ(read(server.pem(), server.key_pem()), "");
  EXPECT_EQ(tls::validity(credential->facts, now), "");
}

}  // namespace
}  // namespace sluice::test
