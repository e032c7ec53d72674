// Certificates of clients: who is asked, who passes, and what pods are told.

#include "tls/fixture.h"

namespace sluice::test {
namespace {

using Mode = config::ClientCertificates::Mode;

class ClientCertificateTest : public TlsTest, public testing::WithParamInterface<int> {
 protected:
  void rule(Mode mode, const std::string& crl = {}) {
    settings.clients.mode = mode;
    tls::FileError error;
    authorities = tls::read_authorities(
        files.write("ca.pem", trusted.empty() ? client_ca.pem() : trusted),
        crl.empty() ? std::filesystem::path() : files.write("crl.pem", crl), error);
    ASSERT_TRUE(authorities) << error.text;
    settings.clients.digest = authorities->digest;
    contexts.reset();
  }
  void present(const Issued& issued) {
    SSL_use_certificate(client.ssl(), issued.certificate.get());
    SSL_use_PrivateKey(client.ssl(), issued.key.get());
  }
  void connect() {
    accept();
    client.only(GetParam());
    talk();
  }
  std::string revoke(const Issued* issued) { return revocations(client_ca, issued); }
  // A client of TLS 1.3 has ended its handshake before the server looks at its certificate.
  void expect_refused() {
    EXPECT_FALSE(owner.established);
    EXPECT_EQ(owner.heard, "!");
    EXPECT_EQ(stats.failed_certificate.get(), 1u);
  }

  std::string trusted;  // empty: client_ca
  const Issued client_ca = issue("clients' CA", {}, nullptr, {.ca = true});
  const Issued good = issue("client", {"DNS:client.example", "URI:spiffe://a/b"}, &client_ca,
                            {.extended_usage = "clientAuth"});
};

TEST_P(ClientCertificateTest, are_not_asked_for_without_a_rule) {
  present(good);
  connect();
  EXPECT_TRUE(owner.established);
  EXPECT_EQ(server->peer_certificate(), "");
}

TEST_P(ClientCertificateTest, that_verify_are_told_to_pods) {
  rule(Mode::kRequired);
  present(good);
  connect();
  ASSERT_TRUE(owner.established) << client.error;
  const std::string told(server->peer_certificate());
  EXPECT_EQ(told.find("Hash="), 0u) << told;
  EXPECT_NE(told.find(";Subject=\"CN=client\";DNS=client.example;URI=spiffe://a/b"),
            std::string::npos)
      << told;
}

TEST_P(ClientCertificateTest, are_needed_where_they_are_required) {
  rule(Mode::kRequired);
  connect();
  expect_refused();
}

TEST_P(ClientCertificateTest, may_be_missing_where_they_are_optional) {
  rule(Mode::kOptional);
  connect();
  EXPECT_TRUE(owner.established);
  EXPECT_EQ(server->peer_certificate(), "");
}

TEST_P(ClientCertificateTest, of_another_ca_are_refused_even_where_they_are_optional) {
  rule(Mode::kOptional);
  present(issue("stranger", {}, &ca, {.extended_usage = "clientAuth"}));
  connect();
  expect_refused();
}

TEST_P(ClientCertificateTest, that_are_for_servers_are_refused) {
  rule(Mode::kRequired);
  present(issue("server", {}, &client_ca, {.extended_usage = "serverAuth"}));
  connect();
  expect_refused();
}

TEST_P(ClientCertificateTest, that_have_expired_are_refused) {
  rule(Mode::kRequired);
  present(issue("old", {}, &client_ca, {.begins = -2 * 86'400, .ends = -86'400}));
  connect();
  expect_refused();
}

TEST_P(ClientCertificateTest, that_are_revoked_are_refused) {
  rule(Mode::kRequired, revoke(nullptr));
  present(good);
  connect();
  EXPECT_TRUE(owner.established);
  rule(Mode::kRequired, revoke(&good));
  client.renew();
  present(good);
  connect();
  expect_refused();
}

TEST_P(ClientCertificateTest, may_lead_to_an_intermediate_ca_alone) {
  const Issued inter = issue("intermediate CA", {}, &client_ca, {.ca = true});
  const Issued sister = issue("sister CA", {}, &client_ca, {.ca = true});
  const Issued client_cert = issue("client", {}, &inter, {.extended_usage = "clientAuth"});
  trusted = inter.pem();
  // Without lists, then with a list of the intermediate CA alone.
  for (const std::string& crl : {std::string(), revocations(inter, nullptr)}) {
    rule(Mode::kRequired, crl);
    client.renew();
    present(client_cert);
    connect();
    EXPECT_TRUE(owner.established) << client.error;
  }
  rule(Mode::kRequired, revocations(inter, &client_cert));
  client.renew();
  present(client_cert);
  connect();
  expect_refused();
  rule(Mode::kRequired);
  client.renew();
  present(issue("stranger", {}, &sister, {.extended_usage = "clientAuth"}));
  connect();
  EXPECT_FALSE(owner.established) << "the issuer's other CAs are not trusted";
}

TEST_P(ClientCertificateTest,
       of_a_revoked_intermediate_ca_are_refused_where_its_issuer_is_trusted) {
  const Issued inter = issue("intermediate CA", {}, &client_ca, {.ca = true});
  trusted = client_ca.pem() + inter.pem();
  const Issued client_cert = issue("client", {}, &inter, {.extended_usage = "clientAuth"});
  rule(Mode::kRequired, revoke(nullptr) + revocations(inter, nullptr));
  present(client_cert);
  connect();
  EXPECT_TRUE(owner.established) << client.error;
  rule(Mode::kRequired, revoke(&inter) + revocations(inter, nullptr));
  client.renew();
  present(client_cert);
  connect();
  expect_refused();
}

TEST_P(ClientCertificateTest, are_remembered_by_a_ticket) {
  rule(Mode::kRequired);
  present(good);
  connect();
  client.renew();
  client.resume();
  connect();
  ASSERT_TRUE(owner.established);
  EXPECT_EQ(stats.handshakes_resumed.get(), 1u);
  EXPECT_NE(server->peer_certificate().find("CN=client"), std::string_view::npos);
}

TEST_P(ClientCertificateTest, are_asked_for_again_after_a_change_of_the_revocations) {
  rule(Mode::kRequired, revoke(nullptr));
  present(good);
  connect();
  ASSERT_TRUE(owner.established);
  rule(Mode::kRequired, revoke(&good));
  client.renew();
  client.resume();
  present(good);
  connect();
  expect_refused();
}

TEST_P(ClientCertificateTest, are_asked_for_whatever_ticket_a_client_without_one_has) {
  connect();
  ASSERT_NE(client.session, nullptr);
  rule(Mode::kRequired);
  client.renew();
  client.resume();
  connect();
  expect_refused();
}

INSTANTIATE_TEST_SUITE_P(Versions, ClientCertificateTest,
                         testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](const auto& info) {
                           return std::string(info.param == TLS1_2_VERSION ? "1_2" : "1_3");
                         });

TEST(Authorities, need_certificates_of_cas) {
  Directory files;
  const Issued leaf = issue("leaf", {}, nullptr);
  tls::FileError error;
  EXPECT_FALSE(tls::read_authorities(files.write("a.pem", leaf.pem()), {}, error));
  EXPECT_NE(error.text.find("is not one of a CA"), std::string::npos) << error.text;
  EXPECT_FALSE(tls::read_authorities(files.write("b.pem", ""), {}, error));
  EXPECT_NE(error.text.find("has no certificate"), std::string::npos) << error.text;
  const Issued ca = issue("a CA", {}, nullptr, {.ca = true});
  EXPECT_FALSE(tls::read_authorities(files.write("c.pem", ca.pem()), files.path("none"), error));
  EXPECT_EQ(error.which, tls::FileError::Which::kKey);
  EXPECT_EQ(error.text, "No such file or directory");
}

}  // namespace
}  // namespace sluice::test
