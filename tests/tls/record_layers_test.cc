// Both record layers get the same records of one client, and have to agree: in the bytes that their
// users hear, in the end, and in the alert that the client gets.

#include <functional>
#include <vector>

#include <openssl/ssl3.h>

#include "tls/fixture.h"
#include "tls/record_maker.h"

namespace sluice::test {
namespace {

struct Outcome {
  std::string heard;
  std::string alert;  // as OpenSSL calls it
  bool closed = false;
  uint64_t broken = 0;
  bool operator==(const Outcome&) const = default;
};

void PrintTo(const Outcome& o, std::ostream* out) {
  *out << '"' << o.heard << "\" alert \"" << o.alert << "\" closed " << o.closed << " broken "
       << o.broken;
}

class RecordLayersTest : public TlsTest {
 protected:
  using Make = std::function<std::string(RecordMaker&)>;
  struct Content {
    int type;
    std::string bytes;
  };
  // One record after the other.
  static std::string records(RecordMaker& m, const std::vector<Content>& all) {
    std::string out;
    for (const Content& c : all) out += m.make(static_cast<uint8_t>(c.type), c.bytes);
    return out;
  }

  // A connection whose client sends these records, in pieces of `chunk` bytes.
  Outcome hear(bool own_records, const Make& make, size_t chunk) {
    context.own_records = own_records;
    memory.refresh();
    client.renew();
    client.only(TLS1_3_VERSION);
    SSL_set_ciphersuites(client.ssl(), "TLS_AES_128_GCM_SHA256");
    open();
    RecordMaker maker(client.traffic_secret);
    const uint64_t broken = stats.broken.get();
    to_server(make(maker), chunk);
    client.hear(lower->drain());
    client.turn();
    return {owner.heard, client.error, lower->closed, stats.broken.get() - broken};
  }
  Outcome agreed(const Make& make, size_t chunk = 1'000) {
    const Outcome by_openssl = hear(false, make, chunk);
    EXPECT_EQ(hear(true, make, chunk), by_openssl);
    return by_openssl;
  }
  // Where Sluice has the alert of RFC 8446, 6.2, and OpenSSL 3.0 has another one.
  std::string agreed_but_for_the_alert(const Make& make, const std::string& ours) {
    Outcome by_openssl = hear(false, make, 1'000);
    const Outcome own = hear(true, make, 1'000);
    EXPECT_EQ(own.alert, ours);
    by_openssl.alert = own.alert;
    EXPECT_EQ(own, by_openssl);
    return own.heard;
  }
  static std::string text(const char* bytes, size_t n) { return {bytes, n}; }
};

TEST_F(RecordLayersTest, agree_on_data) {
  const Outcome o = agreed([](RecordMaker& m) {
    return records(m, {{SSL3_RT_APPLICATION_DATA, "one"},
                       {SSL3_RT_APPLICATION_DATA, ""},
                       {SSL3_RT_APPLICATION_DATA, std::string(16'384, 'x')},
                       {SSL3_RT_APPLICATION_DATA, "two"}});
  });
  EXPECT_EQ(o.heard, "one" + std::string(16'384, 'x') + "two");
}

TEST_F(RecordLayersTest, agree_wherever_the_bytes_are_cut) {
  const Make make = [](RecordMaker& m) {
    return records(m, {{SSL3_RT_APPLICATION_DATA, "first"},
                       {SSL3_RT_APPLICATION_DATA, ""},
                       {SSL3_RT_HANDSHAKE, text("\x18\0\0\1\0", 5)}});
  };
  for (size_t chunk = 1; chunk < 80; ++chunk)
    EXPECT_EQ(agreed(make, chunk).heard, "first") << chunk;
}

TEST_F(RecordLayersTest, agree_on_every_end_of_a_flight) {
  for (size_t n = 0; n <= 60; ++n) {
    const Outcome o = agreed([n](RecordMaker& m) {
      return (records(m,
                      {{SSL3_RT_APPLICATION_DATA, "first"}, {SSL3_RT_APPLICATION_DATA, "second"}}))
          .substr(0, n);
    });
    EXPECT_EQ(o.heard, n < 27 ? "" : n < 55 ? "first" : "firstsecond") << n;
  }
}

TEST_F(RecordLayersTest, agree_on_every_changed_bit_that_the_tag_covers) {
  for (size_t at = 3; at < 5 + 5 + 1 + 16; ++at) {
    const auto make = [at](RecordMaker& m) {
      std::string record = m.make(SSL3_RT_APPLICATION_DATA, "hello");
      record[at] = static_cast<char>(record[at] ^ (at == 3 ? 0x80 : 1));
      return record + m.make(SSL3_RT_APPLICATION_DATA, std::string(100, 'x'));
    };
    const Outcome o = agreed(make);
    EXPECT_EQ(o.heard, "!") << at;
    EXPECT_TRUE(o.closed) << at;
  }
}

TEST_F(RecordLayersTest, end_when_the_unprotected_type_or_version_was_changed) {
  for (size_t at = 0; at < 3; ++at)
    for (const bool own : {false, true}) {
      const Outcome o = hear(
          own,
          [at](RecordMaker& m) {
            std::string record = m.make(SSL3_RT_APPLICATION_DATA, "hello");
            record[at] = static_cast<char>(record[at] ^ 1);
            return record;
          },
          1'000);
      EXPECT_EQ(o.heard, "!") << at;
      EXPECT_FALSE(o.alert.empty()) << at;
      EXPECT_EQ(o.broken, 1u) << at;
    }
}

TEST_F(RecordLayersTest, agree_on_padding) {
  for (const size_t zeros : {1, 100, 5'000, 16'383}) {
    const Outcome o = agreed([zeros](RecordMaker& m) {
      return records(
          m, {{0, "x" + std::string(1, SSL3_RT_APPLICATION_DATA) + std::string(zeros - 1, '\0')},
              {SSL3_RT_APPLICATION_DATA, "y"}});
    });
    EXPECT_EQ(o.heard, "xy") << zeros;
  }
}

TEST_F(RecordLayersTest, agree_that_content_has_a_type) {
  for (const size_t zeros : {0, 1, 1'000})
    EXPECT_EQ(agreed([zeros](RecordMaker& m) { return m.make(0, std::string(zeros, '\0')); }).heard,
              "!");
}

TEST_F(RecordLayersTest, agree_on_types_that_nobody_sends) {
  for (const int type : {1, 19, SSL3_RT_CHANGE_CIPHER_SPEC, 24, 25, 255}) {
    const Outcome o =
        agreed([type](RecordMaker& m) { return m.make(static_cast<uint8_t>(type), "\1"); });
    EXPECT_EQ(o.heard, "!") << type;
  }
}

TEST_F(RecordLayersTest, agree_on_records_that_are_too_long) {
  EXPECT_EQ(agreed([](RecordMaker& m) {
              return m.make(SSL3_RT_APPLICATION_DATA, std::string(16'385, 'x'));
            }).alert,
            "tlsv1 alert record overflow");
  EXPECT_EQ(agreed([](RecordMaker&) { return text("\x17\3\3\x41\x01", 5); }).heard, "!")
      << "by the header alone";
}

TEST_F(RecordLayersTest, agree_on_records_that_are_too_short) {
  for (int n = 0; n < 17; ++n)
    for (const bool own : {false, true}) {
      const Outcome o = hear(
          own,
          [n](RecordMaker&) {
            return text("\x17\3\3\0", 4) + static_cast<char>(n) +
                   std::string(static_cast<size_t>(n), 'x');
          },
          1'000);
      EXPECT_EQ(o.heard, "!") << n;
      EXPECT_TRUE(o.closed) << n;
    }
}

TEST_F(RecordLayersTest, agree_on_alerts) {
  const auto alert = [](char level, char what) {
    return [=](RecordMaker& m) {
      const char bytes[] = {level, what};
      return records(m, {{SSL3_RT_APPLICATION_DATA, "x"},
                         {SSL3_RT_ALERT, {bytes, 2}},
                         {SSL3_RT_APPLICATION_DATA, "y"}});
    };
  };
  EXPECT_EQ(agreed(alert(1, SSL_AD_CLOSE_NOTIFY)).heard, "x.") << "and nothing behind it";
  EXPECT_EQ(agreed(alert(2, SSL_AD_INTERNAL_ERROR)).heard, "x!");
  EXPECT_EQ(agreed(alert(1, SSL_AD_NO_RENEGOTIATION)).heard, "x!");
  EXPECT_EQ(agreed(alert(1, SSL_AD_USER_CANCELLED)).heard, "xy");
  EXPECT_EQ(agreed_but_for_the_alert([](RecordMaker& m) { return m.make(SSL3_RT_ALERT, ""); },
                                     "sslv3 alert unexpected message"),
            "!")
      << "RFC 8446, 5.4";
  for (const std::string& bytes : {std::string("\1"), std::string("\1\0\1\0", 4)})
    EXPECT_EQ(agreed_but_for_the_alert([&](RecordMaker& m) { return m.make(SSL3_RT_ALERT, bytes); },
                                       "tlsv1 alert decode error"),
              "!");
}

TEST_F(RecordLayersTest, agree_on_handshake_messages) {
  const auto message = [](std::string_view bytes) {
    return [=](RecordMaker& m) {
      return records(m, {{SSL3_RT_APPLICATION_DATA, "x"}, {SSL3_RT_HANDSHAKE, std::string(bytes)}});
    };
  };
  EXPECT_EQ(agreed(message({"\x18\0\0\1\0", 5})).heard, "x") << "a KeyUpdate";
  EXPECT_EQ(agreed(message({"\x18\0\0\1\2", 5})).heard, "x!") << "of an unknown kind";
  EXPECT_EQ(agreed_but_for_the_alert(message({"\x18\0\0\2\0\0", 6}), "tlsv1 alert decode error"),
            "x!")
      << "too long";
  EXPECT_EQ(agreed(message({"\x18\0\0\0", 4})).heard, "x!") << "too short";
  EXPECT_EQ(agreed(message({"\x18\0\0\1\0\x18\0\0\1\0", 10})).heard, "x!") << "two in a record";
  EXPECT_EQ(agreed(message({"\4\0\0\1\0", 5})).heard, "x!") << "a ticket from a client";
  EXPECT_EQ(agreed(message({"\1\0\0\1\0", 5})).heard, "x!") << "a ClientHello";
  EXPECT_EQ(agreed(message({})).heard, "x!") << "an empty fragment";
}

TEST_F(RecordLayersTest, agree_on_a_message_in_several_records) {
  EXPECT_EQ(agreed([](RecordMaker& m) {
              return records(m, {{SSL3_RT_HANDSHAKE, text("\x18\0", 2)},
                                 {SSL3_RT_HANDSHAKE, text("\0\1\0", 3)}});
            }).heard,
            "");
  EXPECT_EQ(agreed([](RecordMaker& m) {
              return records(
                  m, {{SSL3_RT_HANDSHAKE, text("\x18\0", 2)}, {SSL3_RT_APPLICATION_DATA, "x"}});
            }).heard,
            "!")
      << "nothing comes between its parts";
  for (const int what : {SSL_AD_CLOSE_NOTIFY, SSL_AD_USER_CANCELLED}) {
    const Outcome o = hear(
        true,
        [what](RecordMaker& m) {
          return records(m, {{SSL3_RT_HANDSHAKE, text("\x18\0", 2)},
                             {SSL3_RT_ALERT, std::string("\1") + static_cast<char>(what)}});
        },
        1'000);
    EXPECT_EQ(o.heard, "!");
    EXPECT_EQ(o.alert, "sslv3 alert unexpected message") << "no alert that is not fatal either";
  }
}

TEST_F(RecordLayersTest, leave_short_records_to_openssl_where_the_client_asks_for_them) {
  client.renew();
  client.only(TLS1_3_VERSION);
  SSL_set_tlsext_max_fragment_length(client.ssl(), TLSEXT_max_fragment_length_512);
  open();
  lower->drain();
  send(std::string(5'000, 'x'));
  const std::string sent = lower->drain();
  for (size_t at = 0; at < sent.size();) {
    const auto size = static_cast<size_t>(static_cast<uint8_t>(sent[at + 3]) << 8 |
                                          static_cast<uint8_t>(sent[at + 4]));
    EXPECT_LE(size, 512u + 17u);
    at += 5 + size;
  }
  client.hear(sent);
  client.turn();
  EXPECT_EQ(client.received, std::string(5'000, 'x'));
}

TEST_F(RecordLayersTest, agree_that_a_change_of_ciphers_comes_in_the_handshake_only) {
  EXPECT_EQ(agreed([](RecordMaker& m) {
              return m.make(SSL3_RT_APPLICATION_DATA, "x") + text("\x14\3\3\0\1\1", 6);
            }).heard,
            "x!");
}

TEST_F(RecordLayersTest, agree_on_few_records_that_say_nothing) {
  const Outcome o = agreed([](RecordMaker& m) {
    std::string all;
    for (int i = 0; i < 40; ++i) all += m.make(SSL3_RT_APPLICATION_DATA, "");
    return all;
  });
  EXPECT_EQ(o.heard, "!");
}

}  // namespace
}  // namespace sluice::test
