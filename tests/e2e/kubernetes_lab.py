"""A lab whose pods are endpoints of a Kubernetes service, as far as an API server of the tests says so. A pod's name is its UID."""

import tempfile
import time
from pathlib import Path

from kubernetes_api import Api, endpoint
from support import LabTest, configuration, daemon, lab, layout, process

SERVICE = "default/greeter:grpc"


class KubernetesLab(LabTest):
    pods = 5
    pod_command = None
    extra = ""  # of sluiced's file

    @classmethod
    def setUpClass(cls) -> None:
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.api = Api(layout.MANAGEMENT_ROOT, Path(scratch.name))
        cls.addClassCleanup(cls.api.stop)
        cls.write_to_file = configuration.write_endpoints
        configuration.write_endpoints = cls.publish
        cls.addClassCleanup(setattr, configuration, "write_endpoints", cls.write_to_file)
        source = configuration.Kubernetes(str(cls.api.kubeconfig()), SERVICE)
        lab.up(cls.pods, kubernetes=source, pod_command=cls.pod_command)
        cls.addClassCleanup(lab.down)
        if cls.extra:
            layout.CONFIG_FILE.write_text(configuration.sluiced_toml(cls.driver, kubernetes=source, extra=cls.extra))
            lab.restart_sluiced()

    @classmethod
    def publish(cls, numbers) -> None:
        cls.api.put("greeter-1", "greeter", [endpoint(layout.pod_address(n), layout.pod_name(n)) for n in sorted(numbers)])

    @staticmethod
    def numbers() -> list:
        """Of the pods that run."""
        return sorted(int(pod["name"][3:]) for pod in lab.status()["pods"])

    def wait_for(self, numbers, seconds: float = 10.0) -> float:
        """Until these pods, and no others, get calls; how long it took."""
        began = time.monotonic()
        wanted = {layout.pod_name(n) for n in numbers}

        def arrived() -> bool:
            rows = {name: row for name, row in daemon.pod_rows().items() if row["service"] == "echo"}
            return daemon.adopted() and {name for name, row in rows.items() if row["state"] != "SHUTDOWN"} == wanted

        self.assertTrue(process.wait_until(arrived, seconds, every=0.005), f"{wanted} {daemon.ask('pods')} {daemon.ask('sources')}\n"
                        + process.tail(layout.SLUICED_LOG))
        return time.monotonic() - began
