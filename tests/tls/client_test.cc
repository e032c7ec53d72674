// TLS toward pods: Sluice's side is the client.

#include "tls/client_context.h"

#include "tls/fixture.h"
#include "tls/layer.h"

namespace sluice::test {
namespace {

// OpenSSL's server over memory.
class PodSide {
 public:
  PodSide() : ctx_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_set_alpn_select_cb(
        ctx_.get(),
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
           unsigned offered_size, void* self) {
          const std::string& p = static_cast<PodSide*>(self)->protocol;
          const std::string ours = static_cast<char>(p.size()) + p;
          unsigned char* chosen = nullptr;
          // The chosen name lies in the first of the lists, which outlives this call.
          if (p.empty() ||
              SSL_select_next_proto(&chosen, size, offered, offered_size,
                                    reinterpret_cast<const unsigned char*>(ours.data()),
                                    static_cast<unsigned>(ours.size())) != OPENSSL_NPN_NEGOTIATED)
            return SSL_TLSEXT_ERR_NOACK;
          *out = chosen;
          return SSL_TLSEXT_ERR_OK;
        },
        this);
  }
  void show(const Issued& issued) {
    SSL_CTX_use_certificate(ctx_.get(), issued.certificate.get());
    SSL_CTX_use_PrivateKey(ctx_.get(), issued.key.get());
  }
  void require_client(const Issued& ca) {
    SSL_CTX_set_verify(ctx_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx_.get()), ca.certificate.get());
  }
  void begin(int version) {
    SSL_CTX_set_min_proto_version(ctx_.get(), version);
    SSL_CTX_set_max_proto_version(ctx_.get(), version);
    ssl_.reset(SSL_new(ctx_.get()));
    SSL_set0_rbio(ssl_.get(), BIO_new(BIO_s_mem()));
    SSL_set0_wbio(ssl_.get(), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl_.get());
  }
  // Takes bytes from Sluice, and returns the answer.
  std::string hear(std::string_view bytes) {
    BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    char buffer[20'000];
    int n = 0;
    while ((n = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0)
      received.append(buffer, static_cast<size_t>(n));
    if (SSL_get_error(ssl_.get(), n) == SSL_ERROR_ZERO_RETURN && SSL_is_init_finished(ssl_.get()))
      ended = true;
    ERR_clear_error();
    return said();
  }
  std::string write(std::string_view bytes) {
    SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    return said();
  }
  std::string said() {
    char* data = nullptr;
    BIO* out = SSL_get_wbio(ssl_.get());
    const long n = BIO_get_mem_data(out, &data);
    std::string bytes(data, static_cast<size_t>(n));
    BIO_reset(out);
    return bytes;
  }
  SSL* ssl() { return ssl_.get(); }
  std::string server_name() const {
    const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    return name != nullptr ? name : "";
  }

  std::string protocol = "h2";
  std::string received;
  bool ended = false;  // close_notify was received

 private:
  tls::CtxPtr ctx_;
  tls::SslPtr ssl_;
};

struct LooseLayer final : transport::Layer {
  Accepted accept(tcp::Connection&) override { return {}; }
  transport::StreamPtr connect(const Endpoint&, transport::User& user, Time) override {
    if (full) return nullptr;
    stream = std::make_unique<LooseStream>();
    stream->set_user(user);
    return transport::StreamPtr(stream.get());
  }
  std::unique_ptr<LooseStream> stream;
  bool full = false;
};

class ClientTest : public TlsTest, public testing::WithParamInterface<std::pair<int, bool>> {
 protected:
  ClientTest() {
    context.own_records = GetParam().second;
    settings.expected = "pod.example";
    settings.server_name = "pod.example";
    pod.show(issue("pod", {"DNS:pod.example"}, &ca));
  }
  ~ClientTest() override { out.reset(); }

  // Connects, and makes the handshake as far as it goes.
  void begin(size_t chunk = 1'000) {
    if (context_ == nullptr) {
      tls::FileError error;
      const auto cas = tls::read_authorities(
          files.write("ca.pem", trusted.empty() ? ca.pem() : trusted),
          crl.empty() ? std::filesystem::path() : files.write("crl.pem", crl), error);
      std::string why;
      context_ =
          tls::ClientContext::make(settings, protocol, own ? &*own : nullptr, &*cas, lanes, why);
      ASSERT_NE(context_, nullptr) << why;
    }
    layer.call_with(context_);
    out.reset();
    owner = Owner();
    out = layer.connect({}, owner, {});
    ASSERT_NE(out, nullptr);
    pod.begin(GetParam().first);
    below.stream->establish();
    talk(chunk);
  }
  // Connects once more; below nothing has happened yet.
  void again() {
    begin();
    out.reset();
    owner = Owner();
    out = layer.connect({}, owner, {});
  }
  void talk(size_t chunk = 1'000) {
    for (;;) {
      const std::string there = below.stream->drain();
      const std::string back = pod.hear(there);
      arrive(back, chunk);
      if (there.empty() && back.empty()) return;
    }
  }
  void arrive(std::string_view bytes, size_t chunk = 1'000) {
    if (!bytes.empty()) below.stream->arrive(bytes, chunk, pool);
    EXPECT_EQ(ERR_peek_error(), 0u) << "the queue of errors is clean";
  }
  void send(std::string_view bytes) {
    ASSERT_TRUE(out->output().append_copy(
        {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, pool));
    out->push();
  }
  void expect_failure(const std::string& why) {
    begin();
    EXPECT_FALSE(owner.established);
    EXPECT_EQ(owner.heard, "!");
    EXPECT_TRUE(below.stream->closed);
    EXPECT_EQ(out->failure(), why);
    EXPECT_EQ(stats.pod_handshakes_failed.get(), 1u);
    EXPECT_EQ(pod.received, "") << "the pod gets no byte of a call";
  }
  void expect_success() {
    begin();
    EXPECT_TRUE(owner.established) << out->failure();
    EXPECT_STREQ(out->failure(), "");
  }

  config::TlsClient settings;
  std::string protocol = "h2";
  std::string trusted;  // empty: `ca`
  std::string crl;      // empty: no file
  std::optional<tls::Credential> own;
  std::shared_ptr<const tls::ClientContext> context_;
  PodSide pod;
  LooseLayer below;
  tls::Layer layer{context, below};
  transport::StreamPtr out;
};

TEST_P(ClientTest, connects_and_passes_bytes_however_they_are_split) {
  for (const size_t chunk : {1, 7, 1'000}) {
    pod.received.clear();
    begin(chunk);
    ASSERT_TRUE(owner.established) << out->failure();
    EXPECT_EQ(out->alpn(), "h2");
    EXPECT_EQ(pod.server_name(), "pod.example");
    send("request");
    talk(chunk);
    EXPECT_EQ(pod.received, "request");
    arrive(pod.write("answer"), chunk);
    EXPECT_EQ(owner.heard, "answer");
  }
  EXPECT_EQ(stats.pod_handshakes.get(), 3u);
  EXPECT_EQ(stats.handshakes_full.get(), 0u) << "these are clients'";
}

TEST_P(ClientTest, ends_in_order_in_both_directions) {
  expect_success();
  out->close();
  talk();
  EXPECT_TRUE(pod.ended);
  SSL_shutdown(pod.ssl());
  arrive(pod.said());
  EXPECT_EQ(owner.heard, ".");
}

TEST_P(ClientTest, takes_tickets_and_key_updates_among_the_answers) {
  expect_success();
  for (int i = 0; i < 3; ++i) {
    if (GetParam().first == TLS1_3_VERSION) {
      SSL_new_session_ticket(pod.ssl());
      SSL_key_update(pod.ssl(),
                     i % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
    }
    arrive(pod.write("answer "), 3);
    talk();
    send("request ");
    talk();
  }
  EXPECT_EQ(owner.heard, "answer answer answer ");
  EXPECT_EQ(pod.received, "request request request ");
}

TEST_P(ClientTest, takes_tickets_up_to_a_limit) {
  if (GetParam().first != TLS1_3_VERSION) GTEST_SKIP() << "TLS 1.2 has tickets in handshakes only";
  context.guards.pod_tickets = {20, 1};
  expect_success();
  const auto ticket = [&] {
    SSL_new_session_ticket(pod.ssl());
    arrive(pod.write("x"));
  };
  for (int i = 0; i < 15; ++i) ticket();
  EXPECT_EQ(owner.heard, std::string(15, 'x'));
  for (int i = 0; i < 10; ++i) ticket();
  EXPECT_EQ(owner.heard.back(), '!');
  EXPECT_EQ(stats.guard_pod_tickets.get(), 1u);
  EXPECT_STREQ(events.pop()->guard, "pod_tickets");
}

TEST_P(ClientTest, takes_a_fin_without_close_notify_for_a_truncated_end) {
  expect_success();
  arrive(pod.write("half an answer"));
  below.stream->end_of_data();
  EXPECT_EQ(owner.heard, "half an answer!");
}

TEST_P(ClientTest, refuses_a_certificate_of_another_ca) {
  const Issued other = issue("another CA", {}, nullptr, {.ca = true});
  pod.show(issue("pod", {"DNS:pod.example"}, &other));
  expect_failure("its certificate does not verify: unable to get local issuer certificate");
}

TEST_P(ClientTest, refuses_a_certificate_that_signed_itself) {
  pod.show(issue("pod", {"DNS:pod.example"}, nullptr));
  expect_failure("its certificate does not verify: self-signed certificate");
}

TEST_P(ClientTest, refuses_a_certificate_that_has_expired) {
  pod.show(issue("pod", {"DNS:pod.example"}, &ca, {.ends = -60}));
  expect_failure("its certificate does not verify: certificate has expired");
}

TEST_P(ClientTest, refuses_a_certificate_that_its_ca_has_revoked) {
  const Issued revoked = issue("pod", {"DNS:pod.example"}, &ca);
  crl = revocations(ca, &revoked);
  expect_success();
  pod.show(revoked);
  expect_failure("its certificate does not verify: certificate revoked");
}

TEST_P(ClientTest, refuses_a_certificate_whose_ca_has_no_list_among_the_lists) {
  const Issued other = issue("another CA", {}, nullptr, {.ca = true});
  crl = revocations(other, nullptr);
  expect_failure("its certificate does not verify: unable to get certificate CRL");
}

TEST_P(ClientTest, trusts_an_intermediate_ca_alone) {
  const Issued root = issue("a root", {}, nullptr, {.ca = true});
  const Issued inter = issue("intermediate CA", {}, &root, {.ca = true});
  const Issued shown = issue("pod", {"DNS:pod.example"}, &inter);
  trusted = inter.pem();
  pod.show(shown);
  expect_success();
  crl = revocations(inter, nullptr);
  out.reset();
  context_.reset();
  expect_success();
  crl = revocations(inter, &shown);
  out.reset();
  context_.reset();
  expect_failure("its certificate does not verify: certificate revoked");
}

TEST_P(ClientTest, refuses_a_certificate_for_clients) {
  pod.show(issue("pod", {"DNS:pod.example"}, &ca, {.extended_usage = "clientAuth"}));
  expect_failure("its certificate does not verify: unsuitable certificate purpose");
}

TEST_P(ClientTest, refuses_another_name) {
  settings.expected = "other.example";
  expect_failure("its certificate does not verify: hostname mismatch");
}

TEST_P(ClientTest, refuses_a_common_name) {
  pod.show(issue("pod.example", {"DNS:other.example"}, &ca));
  expect_failure("its certificate does not verify: hostname mismatch");
}

TEST_P(ClientTest, expects_an_address) {
  settings.expected = "198.18.1.101";
  pod.show(issue("pod", {"IP:198.18.1.101"}, &ca));
  expect_success();
}

TEST_P(ClientTest, refuses_another_address) {
  settings.expected = "198.18.1.102";
  pod.show(issue("pod", {"IP:198.18.1.101"}, &ca));
  expect_failure("its certificate does not verify: IP address mismatch");
}

TEST_P(ClientTest, expects_a_spiffe_id) {
  settings.expected = "spiffe://cluster.local/ns/default/sa/echo";
  settings.server_name.clear();
  pod.show(issue("pod", {"DNS:pod", "URI:spiffe://cluster.local/ns/default/sa/echo"}, &ca));
  expect_success();
  EXPECT_EQ(pod.server_name(), "");
}

TEST_P(ClientTest, refuses_another_spiffe_id) {
  settings.expected = "spiffe://cluster.local/ns/default/sa/echo";
  pod.show(issue("pod", {"URI:spiffe://cluster.local/ns/default/sa/echo2"}, &ca));
  expect_failure("its certificate does not verify: hostname mismatch");
}

TEST_P(ClientTest, takes_any_certificate_only_when_told_so) {
  settings.verify = config::TlsClient::Verify::kNone;
  pod.show(issue("somebody", {}, nullptr));
  expect_success();
}

TEST_P(ClientTest, shows_its_own_certificate_to_pods_that_ask) {
  const Issued issued =
      issue("sluice", {"DNS:sluice.example"}, &ca, {.extended_usage = "clientAuth"});
  tls::FileError error;
  own = tls::read_credential(files.write("own.pem", issued.pem()),
                             files.write("own.key", issued.key_pem()), error, tls::Use::kClient);
  ASSERT_TRUE(own) << error.text;
  pod.require_client(ca);
  expect_success();
  send("request");
  talk();
  EXPECT_EQ(pod.received, "request");
}

TEST_P(ClientTest, hears_the_alert_of_a_pod_that_misses_a_certificate) {
  pod.require_client(ca);
  begin();
  // In TLS 1.3 a client's handshake is complete before the server has seen its certificate.
  EXPECT_EQ(owner.established, GetParam().first == TLS1_3_VERSION);
  EXPECT_EQ(owner.heard, "!");
  const std::string why = out->failure();
  EXPECT_TRUE(why.starts_with("the pod answered with the TLS alert: ")) << why;
}

TEST_P(ClientTest, refuses_a_pod_without_alpn_where_http_2_is_spoken) {
  pod.protocol = "";
  expect_failure("the pod's TLS does not offer the protocol of the service (ALPN)");
}

TEST_P(ClientTest, takes_a_pod_without_alpn_where_http_1_1_is_spoken) {
  protocol = "http/1.1";
  pod.protocol = "";
  expect_success();
}

TEST_P(ClientTest, never_speaks_cleartext_to_a_pod_that_does) {
  again();
  below.stream->establish();
  arrive("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(owner.heard, "!");
  EXPECT_STREQ(out->failure(), "the pod does not speak TLS");
  EXPECT_EQ(below.stream->drain()[0], 0x16) << "a ClientHello, and nothing in the clear";
}

TEST_P(ClientTest, has_a_reason_when_the_pod_closes_in_the_handshake) {
  again();
  below.stream->establish();
  below.stream->end_of_data();
  EXPECT_EQ(owner.heard, "!");
  EXPECT_STREQ(out->failure(), "the pod closed the connection in the TLS handshake");
}

TEST_P(ClientTest, has_a_reason_when_the_pod_resets_in_the_handshake) {
  again();
  below.stream->establish();
  below.stream->end(CloseReason::kReset);
  EXPECT_EQ(owner.closed, CloseReason::kReset);
  EXPECT_STREQ(out->failure(), "the pod reset the connection in the TLS handshake");
}

TEST_P(ClientTest, tells_its_user_that_TCP_has_an_answer_before_the_handshake_ends) {
  again();
  EXPECT_EQ(owner.answers, 0);
  below.stream->establish();
  EXPECT_EQ(owner.answers, 1);
  EXPECT_FALSE(owner.established);
}

TEST_P(ClientTest, has_a_reason_when_the_handshake_takes_too_long) {
  again();
  below.stream->establish();
  out->abort();
  EXPECT_TRUE(below.stream->aborted);
  EXPECT_STREQ(out->failure(), "no end of the TLS handshake in time");
}

TEST_P(ClientTest, has_no_reason_of_tls_when_there_is_no_connection) {
  again();
  below.stream->end(CloseReason::kReset);
  EXPECT_EQ(owner.closed, CloseReason::kReset);
  EXPECT_STREQ(out->failure(), "");
}

TEST_P(ClientTest, does_not_connect_when_that_is_impossible_below) {
  begin();
  out.reset();
  below.full = true;
  EXPECT_EQ(layer.connect({}, owner, {}), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Layers, ClientTest,
                         testing::Values(std::pair(TLS1_2_VERSION, false),
                                         std::pair(TLS1_3_VERSION, false),
                                         std::pair(TLS1_3_VERSION, true)),
                         [](const auto& info) {
                           if (info.param.first == TLS1_2_VERSION) return "1_2";
                           return info.param.second ? "1_3_own_records" : "1_3_openssl";
                         });

}  // namespace
}  // namespace sluice::test
