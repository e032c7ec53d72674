#!/usr/bin/python3
"""The tests' own API server keeps the API's rules about writers."""

import http.client
import json
import ssl
import tempfile
import unittest
from pathlib import Path

from kubernetes_api import SERVICES, SLICES, Api
from support import main

SLICE = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
SERVICE = "/api/v1/namespaces/default/services"


class ApiTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.api = Api("127.0.0.1", Path(scratch.name))
        self.addCleanup(self.api.stop)

    def ask(self, method: str, path: str, body=None) -> tuple:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.api.port, context=context, timeout=20)
        self.addCleanup(connection.close)
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Authorization": f"Bearer {self.api.token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def test_a_writer_with_an_old_version_gets_a_conflict(self) -> None:
        self.api.put("one", "greeter", [])
        code, first = self.ask("GET", f"{SLICE}/one")
        self.assertEqual(code, 200)
        code, second = self.ask("PUT", f"{SLICE}/one", first)
        self.assertEqual(code, 200)
        self.assertNotEqual(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"])
        code, refused = self.ask("PUT", f"{SLICE}/one", first)
        self.assertEqual((code, refused["reason"]), (409, "Conflict"))
        self.assertEqual(self.ask("PUT", f"{SLICE}/one", second)[0], 200)

    def test_an_object_that_is_there_cannot_be_created(self) -> None:
        thing = {"metadata": {"name": "web"}, "spec": {"type": "ClusterIP"}}
        self.assertEqual(self.ask("POST", SERVICE, thing)[0], 201)
        code, refused = self.ask("POST", SERVICE, thing)
        self.assertEqual((code, refused["reason"]), (409, "AlreadyExists"))
        self.assertEqual(self.ask("DELETE", f"{SERVICE}/web")[0], 200)
        self.assertEqual(self.ask("GET", f"{SERVICE}/web")[0], 404)

    def test_the_sub_resource_changes_the_status_alone(self) -> None:
        _, made = self.ask("POST", SERVICE, {"metadata": {"name": "web"}, "spec": {"type": "ClusterIP"}})
        other = {**made, "spec": {"type": "NodePort"}, "status": {"loadBalancer": {}}}
        code, after = self.ask("PUT", f"{SERVICE}/web/status", other)
        self.assertEqual((code, after["spec"], after["status"]), (200, {"type": "ClusterIP"}, {"loadBalancer": {}}))
        code, after = self.ask("PUT", f"{SERVICE}/web", {**after, "spec": {"type": "NodePort"}, "status": {"loadBalancer": {"ingress": []}}})
        self.assertEqual((code, after["spec"], after["status"]), (200, {"type": "NodePort"}, {"loadBalancer": {}}))

    def test_lists_are_as_they_were(self) -> None:
        self.api.put("one", "greeter", [])
        for path, kind, n in ((SLICES, "EndpointSliceList", 1), (SERVICES, "ServiceList", 0)):
            code, listed = self.ask("GET", path)
            self.assertEqual((code, listed["kind"], len(listed["items"] or [])), (200, kind, n))


main()
