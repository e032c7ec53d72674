#!/usr/bin/python3
"""TLS toward pods: a pod of Python's ssl that tells what it saw, and nghttpd and Python's http.server as they are."""

import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import Optional

import frames
import scripted
from http1_test import Handler, Pod
from support import LabTest, daemon, layout, log_size, logged, main, process, run, service, worker

from sluicelab import certificates

PORT = 6002
SPIFFE = "spiffe://cluster.lab/ns/default/sa/echo"


def context(pair: dict, protocol: str = "h2", clients: Optional[Path] = None) -> ssl.SSLContext:
    """Of a pod. clients: the CA whose clients it takes, and no other."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair["certificate"], pair["key"])
    made.set_alpn_protocols([protocol])
    if clients is not None:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(clients)
    return made


def revoke(directory: Path, *certificates_: Path) -> Path:
    """Writes the list of the CA in that directory, which revokes these certificates; its path."""
    serials = [subprocess.run(["openssl", "x509", "-in", str(one), "-noout", "-serial"], check=True, text=True, stdout=subprocess.PIPE)
               .stdout.strip().partition("=")[2] for one in certificates_]
    database, settings, crl = (directory / name for name in ("revoked.txt", "revoked.cnf", "crl.pem"))
    database.write_text("".join(f"R\t400101000000Z\t260101000000Z\t{serial}\tunknown\t/CN=x\n" for serial in serials))
    settings.write_text(f"[ca]\ndefault_ca = lab\n[lab]\ndatabase = {database}\ndefault_md = sha256\ndefault_crl_days = 1\n")
    subprocess.run(["openssl", "ca", "-config", str(settings), "-gencrl", "-cert", str(directory / "ca.pem"),
                    "-keyfile", str(directory / "ca.key"), "-out", f"{crl}.new"], check=True, stderr=subprocess.DEVNULL)
    Path(f"{crl}.new").rename(crl)
    return crl


class PodsTls(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.directory = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.ca = certificates.make_ca(cls.directory)["ca"]
        cls.pair = certificates.issue(cls.directory, "pod", ("pod.lab", SPIFFE))
        cls.own = certificates.issue(cls.directory, "sluice", ("sluice.lab",), usage="clientAuth")
        cls.other_ca = certificates.make_ca(cls.directory / "other", "another CA")["ca"]

    def setUp(self) -> None:
        self.requests: list = []
        self.before = worker()["tls"]
        self.addCleanup(self.reload)

    def answer(self, peer: frames.Peer) -> None:
        for request in peer.requests():
            self.requests.append(peer.socket)
            peer.send(frames.headers(request.stream, frames.block((":status", "204")), True))

    def pod(self, tls: Optional[ssl.SSLContext]) -> scripted.Pod:
        made = scripted.Pod(self.answer, tls=tls)
        self.addCleanup(made.close)
        return made

    def relay_to(self, endpoint: str, tls: str, protocol: str = "h2", listener: str = "http") -> None:
        """A port of the VIP with this pod behind it; `tls` are keys of the service's table."""
        self.reload(service("secure", PORT, endpoint, keys=f'protocol = "{protocol}"\n[service.tls]\n{tls}', protocol=listener))

        def adopted() -> bool:
            stats = daemon.ask("stats")
            return stats["generation_adopted"] == stats["generation"]
        self.assertTrue(process.wait_until(adopted, 5))

    def full(self, expected: str = "pod.lab", more: str = "") -> str:
        return f'ca = "{self.ca}"\nexpected = "{expected}"\n{more}'

    def status(self) -> str:
        return run(layout.CLIENT_NAMESPACE, "curl", "-sS", "-m", "5", "--http2-prior-knowledge", "--output", "/dev/null",
                   "--write-out", "%{http_code}", f"http://{layout.VIP}:{PORT}/", check=False)

    def row(self) -> dict:
        """Of the pod, as sluicectl has it."""
        return next(row for row in daemon.ask("pods")["pods"] if row["service"] == "secure")

    def expect_refused(self, reason: str) -> None:
        """The pod is one that cannot be reached, for this reason, and it has seen no call."""
        self.assertTrue(process.wait_until(lambda: self.row()["state"] == "TRANSIENT_FAILURE" and self.row()["reason"] != "", 5), self.row())
        self.assertRegex(self.row()["reason"], reason)
        self.assertEqual(self.status(), "503")
        self.assertEqual(self.requests, [])
        self.assertGreater(worker()["tls"]["pod_handshakes_failed"], self.before["pod_handshakes_failed"])
        table = run(layout.SLUICE_NAMESPACE, str(layout.sluicectl_binary()), "--socket", str(layout.ADMIN_SOCKET), "pods")
        self.assertRegex(table, reason)

    def test_a_call_reaches_a_pod_whose_certificate_verifies(self) -> None:
        for expected in ("pod.lab", SPIFFE):
            with self.pod(context(self.pair)) as pod:
                self.requests.clear()
                self.relay_to(pod.endpoint, self.full(expected))
                self.assertEqual(self.status(), "204")
                self.assertEqual(len(self.requests), 1)
                self.assertEqual(self.requests[0].version(), "TLSv1.3")
                self.assertEqual((self.row()["state"], self.row()["tls"], self.row()["reason"]), ("READY", "verified", ""))

    def test_a_pod_of_another_name_or_ca_gets_no_call(self) -> None:
        since = log_size()
        pod = self.pod(context(self.pair))
        self.relay_to(pod.endpoint, self.full("other.lab"))
        self.expect_refused("its certificate does not verify: hostname mismatch")
        self.assertTrue(logged(since, "hostname mismatch"))
        self.relay_to(pod.endpoint, f'ca = "{self.other_ca}"\nexpected = "pod.lab"')
        self.expect_refused("its certificate does not verify: unable to get local issuer certificate")

    def test_a_pod_whose_certificate_is_revoked_gets_no_further_call(self) -> None:
        pod = self.pod(context(self.pair))
        self.relay_to(pod.endpoint, self.full(more=f'crl = "{revoke(self.directory)}"'))
        self.assertEqual(self.status(), "204")
        self.requests.clear()
        revoke(self.directory, self.pair["certificate"])
        self.expect_refused("its certificate does not verify: certificate revoked")
        revoke(self.directory)
        self.assertTrue(process.wait_until(lambda: self.status() == "204", 10), self.row())

    def test_a_pod_in_the_clear_gets_a_hello_and_nothing_else(self) -> None:
        self.relay_to(self.pod(None).endpoint, self.full())
        self.expect_refused("the pod does not speak TLS")

    def test_a_pod_of_a_mesh_gets_sluices_certificate(self) -> None:
        pod = self.pod(context(self.pair, clients=self.ca))
        own = f'certificate = "{self.own["certificate"]}"\nkey = "{self.own["key"]}"'
        self.relay_to(pod.endpoint, self.full())
        self.assertNotEqual(self.status(), "204")
        self.assertEqual(self.requests, [])
        self.relay_to(pod.endpoint, self.full(more=own))
        self.assertEqual(self.status(), "204")
        self.assertEqual(self.requests[0].getpeercert()["subjectAltName"], (("DNS", "sluice.lab"),))
        rows = [row for row in daemon.ask("certificates")["certificates"] if row["used_by"] == "service"]
        self.assertEqual([(row["service"], row["names"]) for row in rows], [("secure", ["sluice.lab"])])

    def test_verify_none_takes_any_certificate_and_shows(self) -> None:
        since = log_size()
        pod = self.pod(context(certificates.issue(self.directory / "other", "pod", ("elsewhere.lab",))))
        self.relay_to(pod.endpoint, 'verify = "none"')
        self.assertEqual(self.status(), "204")
        self.assertEqual(self.row()["tls"], "unverified")
        self.assertTrue(logged(since, "not verified"))

    def test_a_pod_that_comes_to_its_senses_gets_calls(self) -> None:
        settings = context(self.pair)
        wrong = certificates.issue(self.directory, "wrong", ("wrong.lab",))
        settings.load_cert_chain(wrong["certificate"], wrong["key"])
        self.relay_to(self.pod(settings).endpoint, self.full())
        self.expect_refused("hostname mismatch")
        settings.load_cert_chain(self.pair["certificate"], self.pair["key"])
        # Each worker learns it by a connect of its own.
        self.assertTrue(process.wait_until(lambda: (self.row()["state"], self.row()["reason"]) == ("READY", ""), 15), self.row())
        self.assertEqual(self.status(), "204")

    def test_http_1_1_over_tls(self) -> None:
        with Pod(Handler) as pod:
            pod.server.socket = context(self.pair, "http/1.1").wrap_socket(pod.server.socket, server_side=True)
            self.relay_to(pod.endpoint, self.full(), protocol="https1")
            for version in ("--http1.1", "--http2-prior-knowledge"):
                for body in ("hello", "x" * 100_000):
                    self.assertEqual(run(layout.CLIENT_NAMESPACE, "curl", "-sS", "-m", "10", version, "-d", body,
                                         f"http://{layout.VIP}:{PORT}/"), body)

    def test_nghttpd_serves_a_large_file(self) -> None:
        (self.directory / "large").write_bytes(bytes(range(256)) * 20_000)
        command = ("nghttpd", "--address", layout.BRIDGE_ADDRESS, "--htdocs", str(self.directory), "9443", str(self.pair["key"]),
                   str(self.pair["certificate"]))
        with subprocess.Popen(process.in_namespace(layout.SOUTH_NAMESPACE, command)) as nghttpd:
            try:
                self.relay_to(f"{layout.BRIDGE_ADDRESS}:9443", self.full())
                self.assertTrue(process.wait_until(lambda: self.row()["state"] == "READY", 20), self.row())
                got = self.directory / "got"
                run(layout.CLIENT_NAMESPACE, "curl", "-sS", "-m", "20", "--http2-prior-knowledge", "--output", str(got),
                    f"http://{layout.VIP}:{PORT}/large")
                self.assertEqual(got.read_bytes(), (self.directory / "large").read_bytes())
                printed = run(layout.CLIENT_NAMESPACE, "h2load", "-n", "500", "-c", "5", "-m", "10", f"http://{layout.VIP}:{PORT}/pod.pem")
                self.assertIn("500 succeeded", printed)
            finally:
                nghttpd.terminate()


if __name__ == "__main__":
    main()
