#!/usr/bin/python3
"""`[tls] key_log`: the secrets that Sluice writes are those of its clients, and the log warns."""

from pathlib import Path

from support import LabTest, lab, layout, logged, main, process, run

from sluicelab import configuration

KEY_LOG = layout.RUN_DIR / "secrets.keys"
CLIENTS_LOG = layout.RUN_DIR / "client.keys"
FOR_TLS_1_3 = "CLIENT_TRAFFIC_SECRET_0"
CLIENT = """
import socket, ssl, sys
host, port, ca, keys, version = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5]
context = ssl.create_default_context(cafile=ca)
context.keylog_filename = keys
context.maximum_version = getattr(ssl.TLSVersion, version)
context.set_alpn_protocols(["h2"])
with socket.create_connection((host, port), 10) as plain, context.wrap_socket(plain, server_hostname="echo.lab") as s:
    s.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    assert s.recv(9)[3] == 4
"""


def secrets(path: Path) -> set:
    return {line for line in path.read_text().splitlines() if line and not line.startswith("#")}


class KeyLog(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        for path in (KEY_LOG, CLIENTS_LOG):
            path.unlink(missing_ok=True)
            cls.addClassCleanup(path.unlink, missing_ok=True)
        lab.up(1, cls.driver, tls=True)
        cls.addClassCleanup(lab.down)
        text = configuration.sluiced_toml(cls.driver, tls=lab.status()["tls"])
        layout.CONFIG_FILE.write_text(f'{text}\n[tls]\nkey_log = "{KEY_LOG}"\n')
        lab.restart_sluiced()

    def test_clients_and_sluice_write_the_same_secrets(self) -> None:
        for version, label in (("TLSv1_3", FOR_TLS_1_3), ("TLSv1_2", "CLIENT_RANDOM")):
            with self.subTest(version):
                CLIENTS_LOG.unlink(missing_ok=True)
                run(layout.CLIENT_NAMESPACE, "python3", "-c", CLIENT, layout.VIP, str(layout.TLS_PORT), lab.status()["tls"]["ca"],
                    str(CLIENTS_LOG), version)
                wanted = {line for line in secrets(CLIENTS_LOG) if line.startswith(label)}
                self.assertEqual(len(wanted), 1)
                self.assertTrue(process.wait_until(lambda: wanted <= secrets(KEY_LOG), 5))

    def test_the_owner_alone_may_read_it_and_the_log_warns(self) -> None:
        self.assertEqual(KEY_LOG.stat().st_mode & 0o777, 0o600)
        self.assertTrue(logged(0, "key_log: the secrets of all TLS connections are written to"))


if __name__ == "__main__":
    main()
