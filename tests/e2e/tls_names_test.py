#!/usr/bin/python3
"""Listeners with protocol = "tls": the server name chooses the service; TLS goes on to the pod, or ends at Sluice."""

import shutil
import tempfile
from pathlib import Path

from support import LabTest, layout, main, process, run

from sluicelab import certificates

PODS = {"a": ("a.lab", 7443), "b": ("*.b.lab", 7444)}  # a pod, its name, and its port
PLAIN_PORT = 7080
PASS_PORT = 443
STRICT_PORT = 444
END_PORT = 445
CLIENT = str(Path(__file__).with_name("tls_names_client.py"))


def listener(name: str, port: int, keys: str) -> str:
    return f"""
[[listener]]
name = "{name}"
address = "{layout.VIP}:{port}"
protocol = "tls"
{keys}
"""


def service(name: str, port: int) -> str:
    return f"""
[[service]]
name = "{name}"
endpoints = [{{ address = "{layout.pod_address(1)}:{port}" }}]
"""


class Names(LabTest):
    workers = 2

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.directory = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.ca = certificates.make_ca(cls.directory)["ca"]
        namespace = layout.pod_namespace(1)
        for pod, (name, port) in PODS.items():
            pair = certificates.issue(cls.directory, pod, (name,))
            server = process.spawn(namespace, ["openssl", "s_server", "-accept", f"{layout.pod_address(1)}:{port}", "-cert",
                                               str(pair["certificate"]), "-key", str(pair["key"]), "-www", "-quiet"],
                                   layout.RUN_DIR / f"tls-{pod}.log")
            cls.addClassCleanup(process.kill, server)
        plain = process.spawn(namespace, ["/usr/bin/python3", "-m", "http.server", "-b", layout.pod_address(1), "-d",
                                          str(layout.REPOSITORY / "docs"), str(PLAIN_PORT)], layout.RUN_DIR / "plain.log")
        cls.addClassCleanup(process.kill, plain)
        own = certificates.issue(cls.directory, "own", ("c.lab",))
        routes = 'routes = [{ names = ["a.lab"], service = "a" }, { names = "*.b.lab", service = "b" }]\n'
        cls.tables = (listener("pass", PASS_PORT, routes + 'service = "a"') + listener("strict", STRICT_PORT, routes)
                      + listener("end", END_PORT, 'service = "plain"\n[listener.tls]\nalpn = ["http/1.1"]\n'
                                                  f'certificates = [{{ certificate = "{own["certificate"]}", key = "{own["key"]}" }}]')
                      + "".join(service(pod, port) for pod, (_, port) in PODS.items()) + service("plain", PLAIN_PORT))

    def setUp(self) -> None:
        self.reload(self.tables)
        self.addCleanup(self.reload)

    def connect(self, port: int, name: str, *words: str) -> str:
        """What openssl's client says of a connection with this server name."""
        names = ["-servername", name] if name else ["-noservername"]
        return run(layout.CLIENT_NAMESPACE, "sh", "-c", "openssl s_client \"$@\" </dev/null 2>&1", "openssl", "-connect",
                   f"{layout.VIP}:{port}", "-CAfile", str(self.ca), *names, *words, check=False)

    def test_the_name_chooses_the_pod_whose_own_certificate_the_client_sees(self) -> None:
        for version in ("-tls1_2", "-tls1_3"):
            for name, subject in (("a.lab", "a.lab"), ("x.b.lab", "*.b.lab"), ("y.x.b.lab", "*.b.lab"), ("A.LAB", "a.lab"),
                                  ("other.lab", "a.lab"), ("", "a.lab")):
                with self.subTest(f"{name} {version}"):
                    said = self.connect(PASS_PORT, name, version)
                    self.assertRegex(said, f"subject=CN = {subject}".replace("*", r"\*"))
                    self.assertIn("Verify return code: 0", said)

    def test_a_name_of_no_route_is_refused_with_unrecognized_name(self) -> None:
        self.assertIn("subject=CN = a.lab", self.connect(STRICT_PORT, "a.lab"))
        self.assertIn("subject=CN = a.lab", self.connect(STRICT_PORT, "a.lab."))
        for name in ("other.lab", "b.lab", ""):
            self.assertIn("unrecognized name", self.connect(STRICT_PORT, name), name)

    def test_https_works_through_both_forms(self) -> None:
        said = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--cacert", str(self.ca), "--resolve", f"a.lab:{PASS_PORT}:{layout.VIP}",
                   f"https://a.lab:{PASS_PORT}/")
        self.assertIn("Ciphers supported", said)
        said = run(layout.CLIENT_NAMESPACE, "curl", "-sS", "--http1.1", "--cacert", str(self.ca), "--resolve",
                   f"c.lab:{END_PORT}:{layout.VIP}", f"https://c.lab:{END_PORT}/design.md")
        self.assertEqual(said, (layout.REPOSITORY / "docs/design.md").read_text())

    def test_alpn_of_ended_tls_is_the_listeners(self) -> None:
        self.assertIn("ALPN protocol: http/1.1", self.connect(END_PORT, "c.lab", "-alpn", "h2,http/1.1"))
        self.assertIn("no application protocol", self.connect(END_PORT, "c.lab", "-alpn", "h2"))
        self.assertIn("No ALPN negotiated", self.connect(END_PORT, "c.lab"))

    def test_a_hello_in_two_segments_and_in_small_records_works(self) -> None:
        for pause, size in ((0.2, 700), (0.0, 50)):
            said = run(layout.CLIENT_NAMESPACE, "/usr/bin/python3", CLIENT, layout.VIP, str(PASS_PORT), "x.b.lab", str(self.ca), str(size),
                       str(pause))
            self.assertEqual(said.strip(), "200 ok", said)


main()
