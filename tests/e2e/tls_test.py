#!/usr/bin/python3
"""TLS at the VIP, as the clients of operators speak it: openssl s_client, curl, nghttp, h2load, Python's ssl."""

import contextlib
import os
import subprocess
from pathlib import Path

import frames
import scripted
from support import LabTest, lab, layout, log_size, logged, main, process, run, worker

from sluicelab import certificates, configuration, daemon

VIP = f"{layout.VIP}:{layout.TLS_PORT}"
CURL = ("curl", "--silent", "--show-error", "--max-time", "10", "--http2")


class TlsLab(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        lab.up(cls.pods, cls.driver, tls=True)
        cls.addClassCleanup(lab.down)
        cls.tls = lab.status()["tls"]

    def setUp(self) -> None:
        self.before = worker()["tls"]

    def counted(self, name: str) -> int:
        """Since the test began."""
        return worker()["tls"][name] - self.before[name]


class Handshakes(TlsLab):
    def curl(self, *words: str, host: str = "echo.lab", path: str = "/", check: bool = True) -> str:
        return run(layout.CLIENT_NAMESPACE, *CURL, "--cacert", self.tls["ca"], "--resolve", f"{host}:{layout.TLS_PORT}:{layout.VIP}",
                   *words, f"https://{host}:{layout.TLS_PORT}{path}", check=check)

    def s_client(self, *words: str, until=lambda: True, name: str = "echo.lab", alpn: str = "h2") -> str:
        """What it printed. Its input ends, and so does it, when `until` holds."""
        command = process.in_namespace(layout.CLIENT_NAMESPACE, (
            "openssl", "s_client", "-connect", VIP, "-CAfile", self.tls["ca"], "-verify_return_error",
            *(("-servername", name) if name else ("-noservername",)), *(("-alpn", alpn) if alpn else ()), *words))
        with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
            process.wait_until(until, 5)
            return running.communicate(timeout=30)[0]

    def test_curl_gets_an_answer_with_either_version(self) -> None:
        for version, words in (("TLSv1.2", ("--tls-max", "1.2")), ("TLSv1.3", ("--tlsv1.3",))):
            printed = self.curl(*words, "--verbose", "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}\n")
            self.assertIn(f"SSL connection using {version}", printed)
            self.assertRegex(printed, r"(?m)^2 \d\d\d$")
        self.assertEqual(self.counted("handshakes_full"), 2)

    def test_a_name_and_a_wildcard_verify_and_an_unknown_name_does_not(self) -> None:
        self.curl(host="a.apps.lab")
        self.assertIn("no alternative certificate subject name matches", self.curl(host="other.lab", check=False))

    def test_clients_without_ecdsa_get_rsa(self) -> None:
        for kind, words in (("ECDSA", ()), ("RSA", ("-sigalgs", "RSA-PSS+SHA256"))):
            self.assertRegex(self.s_client(*words), rf"Peer signature type: {kind}")

    def test_a_ticket_resumes(self) -> None:
        session = layout.TLS_DIR / "session.pem"
        for version in ("-tls1_2", "-tls1_3"):
            session.unlink(missing_ok=True)
            self.assertIn("New, TLSv1", self.s_client(version, "-sess_out", str(session), until=session.exists))
            self.assertTrue(session.exists(), version)
            self.assertIn("Reused, TLSv1", self.s_client(version, "-sess_in", str(session)))
        self.assertEqual(self.counted("handshakes_resumed"), 2)

    def test_keys_of_a_file_open_tickets_after_a_restart(self) -> None:
        keys, session = layout.TLS_DIR / "tickets.key", layout.TLS_DIR / "session.pem"
        keys.write_bytes(os.urandom(80))
        session.unlink(missing_ok=True)
        before = layout.CONFIG_FILE.read_text()
        self.addCleanup(lab.restart_sluiced)
        self.addCleanup(layout.CONFIG_FILE.write_text, before)
        layout.CONFIG_FILE.write_text(f'{before}\n[tls]\nticket_keys = ["{keys}"]\n')
        lab.restart_sluiced()
        self.s_client("-sess_out", str(session), until=session.exists)
        lab.restart_sluiced()
        self.assertIn("Reused, TLSv1", self.s_client("-sess_in", str(session)))
        keys.write_bytes(os.urandom(80))
        changed = daemon.ask("stats")["generation"]
        self.assertTrue(process.wait_until(lambda: daemon.ask("stats")["generation"] > changed, 10), "the file is watched")
        self.assertIn("New, TLSv1", self.s_client("-sess_in", str(session)))

    def test_a_ticket_holds_for_its_server_name_only(self) -> None:
        session = layout.TLS_DIR / "session.pem"
        session.unlink(missing_ok=True)
        self.s_client("-tls1_3", "-sess_out", str(session), until=session.exists)
        self.assertIn("New, TLSv1", self.s_client("-tls1_3", "-sess_in", str(session), name="a.apps.lab"))

    def test_http_1_1_by_alpn_gets_an_answer(self) -> None:
        printed = self.curl("--http1.1", "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}\n")
        self.assertRegex(printed, r"(?m)^1.1 \d\d\d$")

    def test_a_client_without_alpn_speaks_http_1_1(self) -> None:
        printed = self.curl("--no-alpn", "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}\n")
        self.assertRegex(printed, r"(?m)^1.1 \d\d\d$")

    def test_without_a_protocol_of_sluice_there_is_no_handshake(self) -> None:
        self.assertIn("no application protocol", self.s_client(alpn="spdy/3"))
        self.assertEqual(self.counted("failed_protocol"), 1)

    def test_old_versions_are_refused(self) -> None:
        self.assertIn("protocol version", self.s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"))
        self.assertEqual(self.counted("failed_version"), 1)

    def test_cleartext_is_no_handshake(self) -> None:
        run(layout.CLIENT_NAMESPACE, "curl", "--silent", "--max-time", "5", f"http://{VIP}/", check=False)
        self.assertEqual(self.counted("failed_other"), 1)

    def test_python_speaks_h2_and_ends_cleanly(self) -> None:
        printed = run(layout.CLIENT_NAMESPACE, "python3", "-c", PYTHON, layout.VIP, str(layout.TLS_PORT), self.tls["ca"])
        self.assertIn("h2 TLSv1.3 settings", printed)

    def test_nghttp_and_h2load_make_calls(self) -> None:
        printed = run(layout.CLIENT_NAMESPACE, "nghttp", "--verbose", f"https://{VIP}/")
        self.assertIn("The negotiated protocol: h2", printed)
        self.assertIn(":status:", printed)
        printed = run(layout.CLIENT_NAMESPACE, "h2load", "-n", "200", "-c", "5", "-m", "10", f"https://{VIP}/")
        self.assertIn("200 done", printed)
        self.assertIn("0 errored", printed)

    def test_a_host_gets_421_only_where_another_certificate_would_serve_it(self) -> None:
        self.addCleanup(self.reload, tls=self.tls)
        other = certificates.issue(layout.TLS_DIR, "other", ("other.lab",))
        tls = {"certificates": [*self.tls["certificates"], other]}
        self.reload(tls=tls)

        def status(host: str) -> str:
            return self.curl("--header", f"host: {host}", "--output", "/dev/null", "--write-out", "%{http_code}")
        self.assertEqual(status("other.lab"), "421")
        self.assertEqual(status("other.lab:443"), "421")
        self.assertEqual(self.counted("misdirected"), 2)
        for host in ("b.apps.lab", "unknown.lab", layout.VIP, "::1"):
            self.assertNotEqual(status(host), "421", host)
        # A request that names no host is for the one that the handshake named.
        unnamed = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--http1.1", "--cacert", self.tls["ca"], "--resolve",
                      f"other.lab:{layout.TLS_PORT}:{layout.VIP}", "--header", "host:", "--output", "/dev/null", "--write-out", "%{http_code}",
                      f"https://other.lab:{layout.TLS_PORT}/")
        self.assertNotEqual(unnamed, "421")
        self.assertEqual(self.counted("misdirected"), 2)

    def test_sluicectl_shows_the_certificates(self) -> None:
        rows = daemon.ask("certificates")["certificates"]
        self.assertEqual([row["key_type"] for row in rows], ["P-256", "RSA-2048"])
        self.assertEqual(rows[0]["names"], list(certificates.NAMES))
        self.assertEqual(rows[0]["issuer"], "CN=sluice lab CA")
        self.assertIn("echo.lab, *.apps.lab", run(layout.SLUICE_NAMESPACE, str(layout.sluicectl_binary()), "--socket",
                                                  str(layout.ADMIN_SOCKET), "certificates"))

    def test_a_changed_certificate_holds_for_new_handshakes_and_a_bad_one_does_not(self) -> None:
        pair = self.tls["certificates"][0]
        old = {part: Path(path).read_text() for part, path in pair.items()}

        def restore() -> None:
            for part, text in old.items():
                Path(pair[part]).write_text(text)
            process.wait_until(lambda: "CN = echo.lab" in self.s_client(), 5)
        self.addCleanup(restore)
        fresh = certificates.issue(layout.TLS_DIR, "fresh", ("new.lab", *certificates.NAMES))
        since = log_size()
        Path(pair["certificate"]).write_text(fresh["certificate"].read_text())
        self.assertTrue(logged(since, r"server-ecdsa.key: the key does not belong to the certificate"))
        self.assertIn("CN = echo.lab", self.s_client(), "the old one stays")
        Path(pair["key"]).write_text(fresh["key"].read_text())
        self.assertTrue(process.wait_until(lambda: "CN = new.lab" in self.s_client(), 5), process.tail(layout.SLUICED_LOG))


class Swaps(TlsLab):
    def test_certificates_swapped_each_second_under_new_connections_lose_none(self) -> None:
        """A directory's symbolic link is swapped, as the kubelet does it for a secret."""
        self.addCleanup(self.reload, tls=self.tls)
        current, versions = layout.TLS_DIR / "current", [layout.TLS_DIR / f"version-{i}" for i in range(2)]
        for version in versions:
            version.mkdir(exist_ok=True)
            for part in ("ca.pem", "ca.key"):
                (version / part).write_bytes((layout.TLS_DIR / part).read_bytes())
            certificates.issue(version, "server", certificates.NAMES)

        def point_to(version: Path) -> None:
            fresh = layout.TLS_DIR / "fresh-link"
            fresh.symlink_to(version)
            fresh.replace(current)

        point_to(versions[0])
        self.reload(tls={"certificates": [{"certificate": str(current / "server.pem"), "key": str(current / "server.key")}]})
        before, generation = worker()["tls"], daemon.ask("stats")["generation"]
        command = process.in_namespace(layout.CLIENT_NAMESPACE, ("h2load", "-n", "1600", "-c", "1600", "-r", "200", f"https://{VIP}/"))
        with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as clients:
            swaps = 0
            while clients.poll() is None and swaps < 60:
                swaps += 1
                point_to(versions[swaps % 2])
                with contextlib.suppress(subprocess.TimeoutExpired):
                    clients.wait(1)
            printed = clients.communicate(timeout=60)[0]
        self.assertIn("1600 done", printed)
        self.assertIn("0 errored", printed)
        after = worker()["tls"]
        self.assertGreaterEqual(daemon.ask("stats")["generation"] - generation, 5, "the swaps were seen")
        self.assertEqual({name: after[name] - before[name] for name in after if name.startswith("failed_")},
                         {name: 0 for name in after if name.startswith("failed_")})


class ClientCertificates(TlsLab):
    """A second port that asks for them, before a pod that tells what it was told."""

    PORT = 8443

    def setUp(self) -> None:
        super().setUp()
        self.told: list = []

        def pod(peer: frames.Peer) -> None:
            for request in peer.requests():
                self.told.append([value for name, value in request.fields if name == "x-forwarded-client-cert"])
                peer.send(frames.headers(request.stream, frames.block((":status", "204")), True))

        self.pod = scripted.Pod(pod)
        self.addCleanup(self.pod.close)
        clients = layout.TLS_DIR / "clients"
        self.ca = certificates.make_ca(clients, "clients' CA")
        self.pair = certificates.issue(clients, "client", ("client.lab",), usage="clientAuth")
        self.stranger = certificates.issue(layout.TLS_DIR, "stranger", ("stranger.lab",), usage="clientAuth")
        self.addCleanup(self.reload, tls=self.tls)

    def listen(self, mode: str) -> None:
        """mode: of client_certificates, or "none"."""
        keys = "" if mode == "none" else f'client_certificates = {{ mode = "{mode}", ca = "{self.ca["ca"]}" }}'
        self.reload(configuration.https_listener(self.tls, "mutual", self.PORT, "told", keys)
                    + f'[[service]]\nname = "told"\nendpoints = [{{ address = "{self.pod.endpoint}" }}]\n', tls=self.tls)

    def call(self, pair=None, *words: str) -> str:
        """The status, or curl's complaint."""
        own = ("--cert", str(pair["certificate"]), "--key", str(pair["key"])) if pair else ()
        return run(layout.CLIENT_NAMESPACE, *CURL, "--cacert", self.tls["ca"], "--resolve", f"echo.lab:{self.PORT}:{layout.VIP}", *own,
                   *words, "--output", "/dev/null", "--write-out", "%{http_code}", f"https://echo.lab:{self.PORT}/", check=False)

    def test_pods_hear_of_a_verified_certificate_and_not_what_the_client_says(self) -> None:
        self.listen("required")
        self.assertEqual(self.call(self.pair, "--header", "x-forwarded-client-cert: Subject=admin"), "204")
        self.assertEqual(len(self.told), 1)
        self.assertEqual(len(self.told[0]), 1)
        self.assertRegex(self.told[0][0], r'^Hash=[0-9a-f]{64};Subject="CN=client.lab";DNS=client.lab$')

    def test_a_connection_from_before_another_rule_is_moved_away(self) -> None:
        self.listen("none")
        client = process.in_namespace(layout.CLIENT_NAMESPACE, ("python3", "-c", MOVED, layout.VIP, str(self.PORT), self.tls["ca"]))
        with subprocess.Popen(client, text=True, stdout=subprocess.PIPE, preexec_fn=process.common_core) as running:
            self.assertEqual(running.stdout.readline(), "connected\n")
            self.listen("required")
            self.assertEqual(running.communicate(timeout=30)[0], "GOAWAY\n")
        self.assertNotIn("204", self.call())
        self.assertEqual(self.call(self.pair), "204")

    def test_without_one_or_with_a_strangers_there_is_no_call(self) -> None:
        self.listen("required")
        self.assertNotIn("204", self.call())
        self.assertNotIn("204", self.call(self.stranger))
        self.assertEqual(self.told, [])
        self.assertEqual(self.counted("failed_certificate"), 2)

    def test_an_optional_one_may_be_missing(self) -> None:
        self.listen("optional")
        self.assertEqual(self.call(None, "--header", "x-forwarded-client-cert: Subject=admin"), "204")
        self.assertEqual(self.told, [[]])
        self.assertNotIn("204", self.call(self.stranger))


class Guards(TlsLab):
    """Clients that begin something and never end it, beside one that is merely silent between its requests."""

    # One of the two is short, so that a busy machine does not make the other one act.
    SHORT = {"record_timeout": '[guards]\nrecord_timeout = "1s"\n', "handshake_timeout": '[guards]\nhandshake_timeout = "3s"\n'}

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.reload, tls=self.tls)
        self.log = log_size()

    def attack(self, guard: str, *words: str, version: str = "TLSv1_3") -> str:
        """What the attacker heard, after the guard's counter and its line in the log have been seen."""
        def count() -> int:
            return next(row["count"] for row in daemon.ask("guards")["guards"] if row["guard"] == guard)
        before = count()
        printed = run(layout.CLIENT_NAMESPACE, "python3", "-c", UNFINISHED, layout.VIP, str(layout.TLS_PORT), self.tls["ca"], version, *words)
        self.assertEqual(count() - before, 1)
        self.assertTrue(process.wait_until(
            lambda: logged(self.log, rf"client {layout.CLIENT_ADDRESS}:\d+: guard {guard}:"), 10), "no line in the log")
        self.assertIn("the other connection goes on", printed)
        return printed

    def test_a_record_that_never_ends_ends_its_connection_behind_an_alert(self) -> None:
        self.reload(self.SHORT["record_timeout"], tls=self.tls)
        for version in ("TLSv1_2", "TLSv1_3"):
            for part in ("3", "5", "40"):  # of the header, the header, and a part of the content
                with self.subTest(version, part=part):
                    self.assertIn("heard TLSV1_ALERT_INTERNAL_ERROR", self.attack("record_timeout", "record", part, version=version))
        self.assertEqual(self.counted("guard_record_timeout"), 6)

    def test_a_handshake_that_never_ends_ends_behind_an_alert(self) -> None:
        self.reload(self.SHORT["handshake_timeout"], tls=self.tls)
        for version in ("TLSv1_2", "TLSv1_3"):
            for part in ("hello", "answer"):  # a part of the ClientHello, and nothing behind Sluice's answer
                with self.subTest(version, part=part):
                    self.assertIn("heard TLSV1_ALERT_INTERNAL_ERROR", self.attack("handshake_timeout", part, "0", version=version))
        self.assertEqual(self.counted("failed_timeout"), 4)


# Begins a handshake or a record, and does not end it. Another connection makes a request before that and one behind it.
UNFINISHED = """
import socket, ssl, sys
address, port, ca, version, begins, part = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
context.set_alpn_protocols(["http/1.1"])
received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()

def call(s):
    s.sendall(b"GET / HTTP/1.1\\r\\nHost: echo.lab\\r\\n\\r\\n")
    return s.recv(65_536).startswith(b"HTTP/1.1 ")

def hear():
    data = plain.recv(65_536)
    received.write(data) if data else received.write_eof()

def attack():
    tls = context.wrap_bio(received, sent, server_hostname="echo.lab")
    flights = 0
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            data = sent.read()
            if data and (flights == 0 or begins == "record"):
                plain.sendall(data[:100] if begins == "hello" else data)
                flights += 1
            hear()
    if begins == "record":
        plain.sendall(sent.read())
        tls.write(bytes(100))
        plain.sendall(sent.read()[:int(part)])
    while True:
        try:
            tls.read(65_536)
        except ssl.SSLWantReadError:
            hear()

with socket.create_connection((address, int(port)), 20) as beside:
    other = context.wrap_socket(beside, server_hostname="echo.lab")
    good = call(other)
    with socket.create_connection((address, int(port)), 20) as plain:
        try:
            attack()
        except ssl.SSLError as error:
            print("heard", error.reason)
    if good and call(other):
        print("the other connection goes on")
"""


# Says when Sluice has sent its SETTINGS, and when Sluice has sent GOAWAY.
MOVED = """
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[3])
context.set_alpn_protocols(["h2"])
s = context.wrap_socket(socket.create_connection((sys.argv[1], int(sys.argv[2])), 20), server_hostname="echo.lab")
s.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) + bytes([0, 0, 0, 4, 1, 0, 0, 0, 0]))
buffered, kinds = b"", []
while kinds.count(7) == 0:
    more = s.recv(65536)
    if not more:
        break
    buffered += more
    while len(buffered) >= 9 and len(buffered) >= 9 + int.from_bytes(buffered[:3], "big"):
        kinds.append(buffered[3])
        if len(kinds) == 1:
            print("connected", flush=True)
        buffered = buffered[9 + int.from_bytes(buffered[:3], "big"):]
print("GOAWAY" if 7 in kinds else kinds)
"""

PYTHON = """
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[3])
context.set_alpn_protocols(["h2"])
plain = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
s = context.wrap_socket(plain, server_hostname="echo.lab", suppress_ragged_eofs=False)
s.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
kind = s.recv(9)[3]
print(s.selected_alpn_protocol(), s.version(), "settings" if kind == 4 else kind)
"""


if __name__ == "__main__":
    main()
