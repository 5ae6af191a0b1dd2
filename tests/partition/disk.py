"""A disk of its own for a node, that can be stalled and can fail: an ext4 in a file, looped.

A stall freezes the file system (FIFREEZE): every write and sync waits until it ends. A failure
shuts it down (EXT4_IOC_SHUTDOWN): every write and sync gets EIO from then on. Both happen below any
process, so they are the same for programs in C++ and in Go. As a program (`disk.py stall FOLDER`)
it stalls a file system while its standard input is open: so a stall ends even if who began it is
killed. Needs the right to mount.
"""

import fcntl
import os
import struct
import subprocess
import sys

from network import run

_FIFREEZE = 0xC0045877
_FITHAW = 0xC0045878
_EXT4_IOC_SHUTDOWN = 0x8004587D
_SHUTDOWN_WITHOUT_LOG = 2


class Disk:
    """Mounted at `folder`, which must exist, for as long as this process's mounts do."""

    def __init__(self, folder, image, mebibytes=256):
        self.folder = folder
        self._image = image
        self._stall = None
        with open(image, "wb") as empty:
            empty.truncate(mebibytes << 20)
        run("mkfs.ext4", "-q", "-F", image)
        run("mount", "-o", "loop", image, folder)

    def stall(self):
        """From now on writes wait."""
        self._stall = subprocess.Popen([sys.executable, os.path.abspath(__file__), "stall",
                                        self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._stall.stdout.readline() != b"stalled\n":
            raise RuntimeError("%s could not be stalled" % self.folder)

    def resume(self):
        """Ends a stall, if there is one."""
        if self._stall is not None:
            self._stall.communicate()
            self._stall = None

    def fail(self):
        """From now on, and for good, writes fail."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _EXT4_IOC_SHUTDOWN, struct.pack("I", _SHUTDOWN_WITHOUT_LOG))
        finally:
            os.close(folder)

    def repair(self):
        """Ends a failure: what was synced before it is there again. Nothing may use it."""
        run("umount", self.folder)
        run("mount", "-o", "loop", self._image, self.folder)

    def close(self):
        """Unmounts; nothing may use it any more."""
        self.resume()
        run("umount", self.folder)


def _main(folder):
    handle = os.open(folder, os.O_RDONLY)
    fcntl.ioctl(handle, _FIFREEZE, 0)
    print("stalled", flush=True)
    sys.stdin.buffer.read()
    fcntl.ioctl(handle, _FITHAW, 0)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "stall":
        sys.exit("usage: disk.py stall FOLDER")
    _main(sys.argv[2])
