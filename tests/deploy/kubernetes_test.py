"""configs/deploy/kubernetes/ against Kubernetes' own schemas, the MPI operator's, and the program."""
import json
import pathlib
import unittest

import jsonschema
import kubernetes_validate
import yaml

import deployed

VERSION = "1.30"
MPIJOB = json.loads(pathlib.Path(__file__).with_name("mpijob.schema.json").read_text())


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((deployed.FOLDER / "kubernetes" / name).read_text()))


def validate_pod(template: dict) -> None:
    """As the template of a Deployment, whose schema is at hand."""
    labels = {"app": "any"}
    metadata = {**template.get("metadata", {}), "labels": labels}
    kubernetes_validate.validate(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "any"},
         "spec": {"selector": {"matchLabels": labels}, "template": {**template, "metadata": metadata}}},
        VERSION, strict=True)


class Pods:
    """What holds for every pod with a server."""

    def check_server(self, pod: dict) -> None:
        container = pod["containers"][0]
        self.assertEqual(container["args"][0], "serve")
        found = deployed.settings(container["args"][1:])
        port = container["ports"][0]
        self.assertEqual(str(port["containerPort"]), found["server.port"])
        self.assertEqual(found["server.host"], "0.0.0.0")
        self.assertNotEqual(found["server.api_key_file"], "")  # it is open to the network
        pause = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["", "0"])
        self.assertLess(float(found["server.drain_seconds"]) + float(pause[1]),
                        pod["terminationGracePeriodSeconds"])
        paths = {kind: container[kind]["httpGet"] for kind in
                 ("startupProbe", "readinessProbe", "livenessProbe")}
        self.assertEqual({one["port"] for one in paths.values()}, {port["name"]})
        self.assertEqual(paths["startupProbe"]["path"], "/health")
        self.assertEqual(paths["readinessProbe"]["path"], "/health")
        # /health is 503 while ranks are started again: no reason to end the server that does it.
        self.assertEqual(paths["livenessProbe"]["path"], "/version")

    def check_mounts(self, pod: dict) -> None:
        volumes = {one["name"]: one for one in pod["volumes"]}
        mounts = {one["mountPath"]: volumes[one["name"]]
                  for one in pod["containers"][0]["volumeMounts"]}
        self.assertEqual(mounts["/dev/shm"]["emptyDir"]["medium"], "Memory")
        names = {one["name"] for one in pod["containers"][0]["env"]}
        self.assertLessEqual({"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                              "OMPI_MCA_btl_vader_single_copy_mechanism"}, names)


class OneHost(unittest.TestCase, Pods):
    deployment, service = documents("deployment.yaml")

    def test_fits_the_schemas(self):
        for one in (self.deployment, self.service):
            kubernetes_validate.validate(one, VERSION, strict=True)
        misspelt = json.loads(json.dumps(self.deployment).replace("startupProbe", "startProbe"))
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(misspelt, VERSION, strict=True)

    def test_starts_a_server_that_can_stop(self):
        pod = self.deployment["spec"]["template"]["spec"]
        self.check_server(pod)
        self.check_mounts(pod)

    def test_reaches_the_pods(self):
        labels = self.deployment["spec"]["template"]["metadata"]["labels"]
        self.assertEqual(self.service["spec"]["selector"], labels)
        self.assertEqual(self.deployment["spec"]["selector"]["matchLabels"], labels)


class SeveralHosts(unittest.TestCase, Pods):
    job, service = documents("mpijob.yaml")
    replicas = job["spec"]["mpiReplicaSpecs"]

    def test_fits_the_schemas(self):
        jsonschema.validate(self.job, MPIJOB, cls=jsonschema.Draft202012Validator)
        for one in self.replicas.values():
            validate_pod(one["template"])
        kubernetes_validate.validate(self.service, VERSION, strict=True)
        misspelt = json.loads(json.dumps(self.job).replace("slotsPerWorker", "slots"))
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate(misspelt, MPIJOB, cls=jsonschema.Draft202012Validator)

    def test_starts_a_server_that_can_stop(self):
        self.check_server(self.replicas["Launcher"]["template"]["spec"])
        for one in self.replicas.values():
            self.check_mounts(one["template"]["spec"])

    def test_has_a_slot_for_each_rank(self):
        self.assertTrue(self.job["spec"]["runLauncherAsWorker"])
        slots = (1 + self.replicas["Worker"]["replicas"]) * self.job["spec"]["slotsPerWorker"]
        words = self.replicas["Launcher"]["template"]["spec"]["containers"][0]["args"][1:]
        self.assertEqual(deployed.settings(words)["parallel.tp"], str(slots))

    def test_reaches_the_launcher(self):
        self.assertEqual(self.service["spec"]["selector"]["training.kubeflow.org/job-name"],
                         self.job["metadata"]["name"])


if __name__ == "__main__":
    unittest.main()
