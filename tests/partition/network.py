"""A network of namespaces on one bridge, one per node, whose links can be cut by direction.

The calling process moves into namespaces of its own (network and mounts); each node gets another,
joined to the bridge by a veth pair. Node namespaces have no name: they exist as long as this
process or one that it started in them does, so nothing is left behind, not even by SIGKILL. Not
thread-safe; must be made before the process has threads.
"""

import ctypes
import os
import shutil
import signal
import subprocess

_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_MS_REC_PRIVATE = 0x4000 | 0x40000
_libc = ctypes.CDLL(None, use_errno=True)

# A pure acknowledgement of TCP has at most 20 + 60 bytes; what is longer carries data.
_RULES = """
table bridge partition {
  set cut { type ipv4_addr . ipv4_addr; }
  set mute { type ipv4_addr . ipv4_addr; }
  chain forward {
    type filter hook forward priority 0; policy accept;
    ip saddr . ip daddr @cut counter drop
    ip saddr . ip daddr @mute ip protocol tcp ip length > 80 counter drop
  }
}
"""


class NoRight(Exception):
    """This process may not do it, or a tool is missing; the text says which."""


def _call(name, *arguments):
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (name, os.strerror(number)))


def run(*command, **options):
    """Runs a command that must succeed; returns its output."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError("%s: exit code %d: %s" % (" ".join(command), done.returncode,
                                                     done.stdout.strip()))
    return done.stdout


def address(node):
    """The address of a node, counted from 0."""
    return "10.77.0.%d" % (node + 1)


def isolate():
    """Moves this process into new namespaces for network and mounts. NoRight: it cannot."""
    for tool in ("ip", "nft"):
        if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            raise NoRight("there is no program `%s` (package iproute2 or nftables)" % tool)
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    try:
        _call("unshare", _CLONE_NEWNET | _CLONE_NEWNS)
        _call("mount", b"none", b"/", None, _MS_REC_PRIVATE, None)
        run("nft", "-f", "-", input="table bridge probe { }")
        run("nft", "delete table bridge probe")
    except (OSError, RuntimeError) as error:
        raise NoRight("no right to make network namespaces and cut links (%s)" % error) from error


class Network:
    """The bridge and the nodes' namespaces. The process must be isolated."""

    def __init__(self, nodes):
        self.nodes = nodes
        self._namespaces = []
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "hub", "type", "bridge", "forward_delay", "0", "stp_state", "0")
        run("ip", "address", "add", "10.77.0.254/24", "dev", "hub")
        run("ip", "link", "set", "hub", "up")
        run("nft", "-f", "-", input=_RULES)
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            for node in range(nodes):
                self._add_node(node, own)
        finally:
            os.close(own)

    def _add_node(self, node, own):
        _call("unshare", _CLONE_NEWNET)
        try:
            namespace = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self._namespaces.append(namespace)
        finally:
            _call("setns", own, _CLONE_NEWNET)
        port = "node%d" % node
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns",
            "/proc/%d/fd/%d" % (os.getpid(), namespace))
        run("ip", "link", "set", port, "master", "hub", "up")
        for command in (("link", "set", "lo", "up"),
                        ("address", "add", address(node) + "/24", "dev", "eth0"),
                        ("link", "set", "eth0", "up")):
            run("ip", *command, preexec_fn=lambda: _call("setns", namespace, _CLONE_NEWNET))

    def start(self, node, command, output, environment=None):
        """Starts a process in a node's namespace, or in this one (None); it dies with this one."""

        def enter():
            if node is not None:
                _call("setns", self._namespaces[node], _CLONE_NEWNET)
            _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                stderr=subprocess.STDOUT, preexec_fn=enter, env=environment)

    @staticmethod
    def cut(packets=(), data=()):
        """Replaces all cuts by these ordered pairs (from, to), at one instant.

        `packets`: nothing gets through in that direction, so TCP works in neither. `data`: bare
        acknowledgements still do, so that connections carry data in the other direction only.
        """
        script = "flush set bridge partition cut\nflush set bridge partition mute\n"
        for name, pairs in (("cut", packets), ("mute", data)):
            if pairs:
                script += "add element bridge partition %s { %s }\n" % (name, ", ".join(
                    "%s . %s" % (address(one), address(other)) for one, other in sorted(pairs)))
        run("nft", "-f", "-", input=script)

    def close(self):
        """Removes the bridge; the nodes' processes must have ended."""
        for namespace in self._namespaces:
            os.close(namespace)
        self._namespaces = []
        for node in range(self.nodes):
            subprocess.run(["ip", "link", "delete", "node%d" % node], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run("ip", "link", "delete", "hub")
        run("nft", "delete table bridge partition")


def both(pairs):
    """Each pair in both directions."""
    return {(one, other) for one, other in pairs} | {(other, one) for one, other in pairs}
