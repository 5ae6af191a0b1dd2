#!/usr/bin/python3
"""Checks what the types of Kubernetes cannot say about deploy/base.

Security as in the restricted Pod Security Standard and stricter, probes without a quorum, names,
ports and counts that agree with one another and with the flags of rasputind.
"""

import re
import sys
import unittest

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import manifests

_LABELS = "app.kubernetes.io/name", "app.kubernetes.io/component"
_FLAGS_SOURCE = "server/flags/flags.h"
_NAMESPACE = "shop"
# What the process takes besides the buffers that its flags bound.
_MEMORY_BYTES_RESERVED = 512 << 20


def arguments_of(container, pod_name):
    """The flags of a container as {name: value}, with references to its environment replaced."""
    known = {"metadata.name": pod_name, "metadata.namespace": _NAMESPACE}
    environment = {variable["name"]: known[variable["valueFrom"]["fieldRef"]["fieldPath"]]
                   for variable in container.get("env", [])}
    flags = {}
    for argument in container["args"]:
        name, _, value = argument.partition("=")
        flags[name.lstrip("-")] = re.sub(r"\$\((\w+)\)", lambda found: environment[found.group(1)],
                                         value)
    return flags


def size_bytes(text):
    """A quantity of Kubernetes in bytes."""
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi|Ti|)", text).groups()
    return int(number) << {"": 0, "Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}[unit]


def default_of(field):
    """The default of a number among the flags, from their declaration."""
    with open(_FLAGS_SOURCE, encoding="utf-8") as opened:
        found = re.search(r" %s = (\d+)(?: << (\d+))?;" % field, opened.read())
    return int(found.group(1)) << int(found.group(2) or 0)


class PolicyTest(unittest.TestCase):
    """Rules of the base; each test is one."""

    @classmethod
    def setUpClass(cls):
        cls.objects = {manifests.name_of(thing): thing
                       for thing in manifests.render("deploy/base")}
        cls.nodes = cls.objects["StatefulSet/rasputin"]["spec"]
        cls.job = cls.objects["Job/rasputin-init"]["spec"]
        cls.node_pod = cls.nodes["template"]["spec"]
        cls.job_pod = cls.job["template"]["spec"]
        cls.server = cls.node_pod["containers"][0]

    def pods(self):
        """Every pod template of the base."""
        return [self.node_pod, self.job_pod]

    def container_ports(self):
        """The server's ports by name."""
        return {port["name"]: port["containerPort"] for port in self.server["ports"]}

    def flags(self, pod_name="rasputin-0"):
        """The server's flags as the pod of that name gets them."""
        return arguments_of(self.server, pod_name)

    def test_pods_are_restricted(self):
        for pod in self.pods():
            self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
            self.assertGreater(pod["securityContext"]["runAsUser"], 0)
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            for field in ("hostNetwork", "hostPID", "hostIPC", "volumes", "initContainers"):
                self.assertNotIn(field, pod)

    def test_containers_can_neither_gain_rights_nor_write_to_their_root(self):
        for pod in self.pods():
            for container in pod["containers"]:
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                })

    def test_pods_carry_no_token_and_no_links(self):
        for pod in self.pods():
            self.assertIs(pod["automountServiceAccountToken"], False)
            self.assertIs(pod["enableServiceLinks"], False)

    def test_the_user_is_that_of_the_image_and_owns_the_volume(self):
        with open("deploy/image/build.sh", encoding="utf-8") as opened:
            user = int(re.search(r"^user=(\d+)$", opened.read(), re.MULTILINE).group(1))
        for pod in self.pods():
            self.assertEqual(pod["securityContext"]["runAsUser"], user)
            self.assertEqual(pod["securityContext"]["runAsGroup"], user)
        self.assertEqual(self.node_pod["securityContext"]["fsGroup"], user)

    def test_no_probe_asks_for_a_quorum(self):
        # The server's README: /healthz answers while the process does, /readyz once this node has
        # recovered; neither asks another node.
        for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"),
                            ("readinessProbe", "/readyz")):
            self.assertEqual(self.server[probe]["httpGet"], {"path": path, "port": "http"})
        self.assertEqual(self.container_ports()["http"], int(self.flags()["http-port"]))

    def test_liveness_waits_longer_than_readiness(self):
        def patience(probe):
            return probe["periodSeconds"] * probe["failureThreshold"]
        self.assertGreater(patience(self.server["livenessProbe"]),
                           patience(self.server["readinessProbe"]))

    def test_ports_are_those_of_the_flags(self):
        self.assertEqual(self.container_ports(), {
            "peer": int(self.flags()["peer-port"]),
            "client": int(self.flags()["cli-port"]),
            "http": int(self.flags()["http-port"]),
        })
        for name in ("Service/rasputin", "Service/rasputin-peer"):
            for port in self.objects[name]["spec"]["ports"]:
                self.assertEqual(port["targetPort"], port["name"])
                self.assertEqual(port["port"], self.container_ports()[port["name"]])

    def test_every_flag_is_one_of_rasputind(self):
        with open("server/flags/flags.cc", encoding="utf-8") as opened:
            source = opened.read()
        for flag in self.flags():
            self.assertTrue('"%s"' % flag in source, "rasputind has no flag --%s" % flag)

    def test_seeds_are_what_the_replicas_advertise(self):
        service = self.nodes["serviceName"]
        names = ["%s-%d" % (self.objects["StatefulSet/rasputin"]["metadata"]["name"], number)
                 for number in range(self.nodes["replicas"])]
        addresses = ["%s:%s" % (self.flags(name)["advertise-host"], self.flags()["peer-port"])
                     for name in names]
        self.assertEqual(addresses, ["%s.%s.%s.svc:7770" % (name, service, _NAMESPACE)
                                     for name in names])
        for name in names:
            self.assertEqual(self.flags(name)["seed-peers"].split(","), addresses)

    def test_the_init_job_knows_the_replicas_and_is_repeated_until_it_succeeds(self):
        container = self.job_pod["containers"][0]
        self.assertEqual(container["command"], ["/usr/bin/rasputin"])
        endpoints = ["rasputin-%d.%s:%s" % (number, self.nodes["serviceName"],
                                            self.flags()["cli-port"])
                     for number in range(self.nodes["replicas"])]
        self.assertEqual(container["args"],
                         ["--endpoints", ",".join(endpoints), "cluster", "init"])
        self.assertEqual(self.job_pod["restartPolicy"], "OnFailure")
        self.assertGreaterEqual(self.job["backoffLimit"], 30)
        self.assertGreater(self.job["ttlSecondsAfterFinished"], 0)
        self.assertEqual(container["image"], self.server["image"])

    def test_selectors_choose_the_nodes_and_not_the_job(self):
        labels = self.nodes["template"]["metadata"]["labels"]
        budget = self.objects["PodDisruptionBudget/rasputin"]["spec"]
        selectors = [self.objects["Service/rasputin"]["spec"]["selector"],
                     self.objects["Service/rasputin-peer"]["spec"]["selector"],
                     budget["selector"]["matchLabels"],
                     self.nodes["selector"]["matchLabels"]]
        affinity = self.node_pod["affinity"]["podAntiAffinity"]
        for term in affinity["requiredDuringSchedulingIgnoredDuringExecution"]:
            selectors.append(term["labelSelector"]["matchLabels"])
        for term in affinity["preferredDuringSchedulingIgnoredDuringExecution"]:
            selectors.append(term["podAffinityTerm"]["labelSelector"]["matchLabels"])
        for selector in selectors:
            self.assertEqual(selector, labels)
        self.assertNotEqual(self.job["template"]["metadata"]["labels"], labels)

    def test_every_object_is_labelled(self):
        for name, thing in self.objects.items():
            for label in _LABELS:
                self.assertIn(label, thing["metadata"]["labels"], name)

    def test_peers_find_one_another_before_they_are_ready(self):
        peers = self.objects["Service/rasputin-peer"]
        self.assertEqual(peers["metadata"]["name"], self.nodes["serviceName"])
        self.assertIs(peers["spec"]["publishNotReadyAddresses"], True)
        self.assertEqual(self.nodes["podManagementPolicy"], "Parallel")

    def test_clients_get_ready_nodes_only(self):
        self.assertNotIn("publishNotReadyAddresses", self.objects["Service/rasputin"]["spec"])

    def test_services_are_headless(self):
        for name in ("Service/rasputin", "Service/rasputin-peer"):
            self.assertEqual(self.objects[name]["spec"]["clusterIP"], "None")

    def test_a_disruption_or_a_machine_takes_less_than_a_quorum(self):
        budget = self.objects["PodDisruptionBudget/rasputin"]["spec"]["maxUnavailable"]
        self.assertGreater(self.nodes["replicas"] - budget, self.nodes["replicas"] // 2)
        affinity = self.node_pod["affinity"]["podAntiAffinity"]
        self.assertEqual([term["topologyKey"] for term in
                          affinity["requiredDuringSchedulingIgnoredDuringExecution"]],
                         ["kubernetes.io/hostname"])

    def test_state_is_on_the_claimed_volume(self):
        mounts = {mount["name"]: mount["mountPath"] for mount in self.server["volumeMounts"]}
        claims = [claim["metadata"]["name"] for claim in self.nodes["volumeClaimTemplates"]]
        self.assertEqual(list(mounts), claims)
        self.assertTrue(self.flags()["storage-dir"].startswith(mounts[claims[0]] + "/"))

    def test_memory_covers_what_the_flags_allow(self):
        flags = self.flags()
        needed = (int(flags["client-memory-bytes"]) + int(flags["peer-memory-bytes"])
                  + sum(default_of(field) for field in
                        ("log_cache_bytes", "block_cache_bytes", "flush_bytes")))
        resources = self.server["resources"]
        self.assertGreaterEqual(size_bytes(resources["limits"]["memory"]),
                                needed + _MEMORY_BYTES_RESERVED)
        self.assertEqual(resources["requests"]["memory"], resources["limits"]["memory"])
        self.assertNotIn("cpu", resources["limits"])

    def test_a_stop_has_time_for_handovers(self):
        grace_ms = self.node_pod["terminationGracePeriodSeconds"] * 1000
        self.assertGreaterEqual(grace_ms, 3 * default_of("shutdown_timeout_ms"))


if __name__ == "__main__":
    unittest.main()
