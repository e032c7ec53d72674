#!/usr/bin/python3
"""tools/lab as people use it: its own commands, with its own pods."""

import subprocess
import sys
import unittest
from pathlib import Path

from support import REPOSITORY, lab, layout, main, process, run
from sluicelab import state

LAB = [sys.executable, str(REPOSITORY / "tools" / "lab")]
SECONDS = 120


def tools_lab(*words: str, prefix: tuple = ()) -> tuple:
    """The exit code, and what it said."""
    done = subprocess.run([*prefix, *LAB, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
    return done.returncode, done.stdout


class Lab(unittest.TestCase):
    def setUp(self) -> None:
        self.addCleanup(lambda: state.exists() and lab.down())

    def test_ipv6_works_with_the_stock_pods(self) -> None:
        code, said = tools_lab("up", "--ipv6")
        self.assertEqual(code, 0, said)
        for part in (f"{layout.VIP}:{layout.PORT}", str(layout.ADMIN_SOCKET), "tools/lab exec client"):
            self.assertIn(part, said)
        for target in (f"{layout.VIP}:{layout.PORT}", f"[{layout.VIP_6}]:{layout.PORT}", f"{layout.VIP}:{layout.IPV6_PODS_PORT}",
                       f"[{layout.VIP_6}]:{layout.IPV6_PODS_PORT}"):
            with self.subTest(target):
                run(layout.CLIENT_NAMESPACE, str(layout.client_binary()), "--target", target, "--duration", "300")

    def test_pods_of_http_1_1_answer_with_their_names_and_come_and_go(self) -> None:
        code, said = tools_lab("up", "--pods", "2", "--pods-http1", "--ipv6")
        self.assertEqual(code, 0, said)
        self.assertIn("curl http://", said)
        curl = ("curl", "-sS", "-m", "10")
        for version in ("--http1.1", "--http1.0", "--http2-prior-knowledge"):
            self.assertRegex(run(layout.CLIENT_NAMESPACE, *curl, version, f"http://{layout.VIP}/"), "^pod[12]$")
        to_ipv6 = (*curl, "--http2-prior-knowledge", f"http://{layout.VIP}:{layout.IPV6_PODS_PORT}/")
        self.assertEqual(run(layout.CLIENT_NAMESPACE, *to_ipv6), "pod1")
        code, said = tools_lab("pods", "1")
        self.assertEqual(code, 0, said)
        self.assertEqual(run(layout.CLIENT_NAMESPACE, *curl, f"http://{layout.VIP}/[1-4]"), "pod1" * 4)

    def test_an_invalid_impairment_leaves_the_running_wire_alone_and_each_keeps_its_log(self) -> None:
        code, said = tools_lab("up", "--impair", "loss=0%")
        self.assertEqual(code, 0, said)
        wire = state.load()["wire_pid"]
        code, said = tools_lab("impair", "loss=much")
        self.assertEqual(code, 1)
        self.assertIn("loss", said)
        self.assertNotIn("Traceback", said)
        self.assertTrue(process.alive(wire))
        code, said = tools_lab("impair", "delay=1ms")
        self.assertEqual(code, 0, said)
        self.assertIn("ready", layout.WIRE_LOG.with_name("wire.log.1").read_text())
        run(layout.CLIENT_NAMESPACE, str(layout.client_binary()), "--duration", "300")

    def test_what_cannot_be_done_is_said_in_a_sentence(self) -> None:
        nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
        for words, prefix, part in ((("exec", "client", "--", "true"), (), "the lab is not up"), (("pods", "2"), (), "the lab is not up"),
                                    (("down",), nobody, "needs root"), (("up",), nobody, "needs root")):
            code, said = tools_lab(*words, prefix=prefix)
            with self.subTest(words):
                self.assertEqual(code, 1, said)
                self.assertIn(part, said)
                self.assertNotIn("Traceback", said)

    def test_pods_of_a_configuration_of_ones_own_that_are_not_ready_are_listed(self) -> None:
        file = REPOSITORY / "docs" / "example" / "sluiced.toml"
        mine = Path("/run/sluice-lab-test.toml")
        self.addCleanup(lambda: mine.unlink(missing_ok=True))
        mine.write_text(file.read_text().replace("../../", f"{REPOSITORY}/").replace(
            '{ file = "endpoints.toml" }', '[{ address = "198.18.1.222:1", id = "nobody" }]').replace(
            "/run/sluice/sluiced.sock", str(layout.ADMIN_SOCKET)))
        code, said = tools_lab("up", "--config", str(mine))
        self.assertEqual(code, 0, said)
        self.assertIn("nobody 198.18.1.222:1", said)


if __name__ == "__main__":
    main()
