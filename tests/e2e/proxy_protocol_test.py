#!/usr/bin/python3
"""PROXY protocol v2 toward pods: nginx and HAProxy take it, and say who the client is."""

import shutil
import tempfile
from pathlib import Path

from support import LabTest, lab, layout, main, process, run

NGINX_PORT = 8081
HAPROXY_PORT = 8082

NGINX = """
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
  uwsgi_temp_path {directory}; scgi_temp_path {directory};
  server {{
    listen {address}:{port} proxy_protocol;
    location / {{ return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr\\n"; }}
  }}
}}
"""

HAPROXY = """
global
  maxconn 100
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend pod
  bind {address}:{port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst]\\n"
"""


class ProxyProtocol(LabTest):
    @classmethod
    def setUpClass(cls) -> None:
        lab.up(1, ipv6=True)
        cls.addClassCleanup(lab.down)
        cls.directory = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.serve("nginx", NGINX, NGINX_PORT, "-p", str(cls.directory), "-c")
        cls.serve("haproxy", HAPROXY, HAPROXY_PORT, "-db", "-f")

    @classmethod
    def serve(cls, server: str, template: str, port: int, *words: str) -> None:
        """This server as a pod, until the class ends."""
        file = cls.directory / f"{server}.conf"
        file.write_text(template.format(directory=cls.directory, address=layout.pod_address(1), port=port))
        pod = process.spawn(layout.pod_namespace(1), [f"/usr/sbin/{server}", *words, str(file)], layout.RUN_DIR / f"{server}.log")
        cls.addClassCleanup(process.kill, pod)

    def test_servers_learn_the_clients_address_of_either_family(self) -> None:
        extra = ""
        for port in (NGINX_PORT, HAPROXY_PORT):
            extra += f"""
[[service]]
name = "pod-{port}"
proxy_protocol = "v2"
endpoints = [{{ address = "{layout.pod_address(1)}:{port}" }}]
"""
            for family, vip in (("ipv4", layout.VIP), ("ipv6", f"[{layout.VIP_6}]")):
                extra += f"""
[[listener]]
name = "{family}-{port}"
address = "{vip}:{port}"
protocol = "tcp"
mode = "relay"
service = "pod-{port}"
"""
        self.reload(extra, ipv6=True)
        self.addCleanup(self.reload, ipv6=True)
        clients = {layout.VIP: layout.CLIENT_ADDRESS, layout.VIP_6: layout.CLIENT_ADDRESS_6}
        for port in (NGINX_PORT, HAPROXY_PORT):
            for vip, client in clients.items():
                with self.subTest(f"port {port}, {vip}"):
                    url = f"http://[{vip}]:{port}/" if ":" in vip else f"http://{vip}:{port}/"
                    own = 40_000 + port
                    heard = run(layout.CLIENT_NAMESPACE, "curl", "-s", "-g", "--retry", "5", "--retry-all-errors", "--local-port",
                                f"{own}-{own + 20}", url).split()
                    self.assertEqual((heard[0], heard[2]), (client, vip))
                    self.assertIn(int(heard[1]), range(own, own + 21))


main()
