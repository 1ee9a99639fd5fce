"""What kind of file system a path lies on: a ledger needs one that a single machine has for itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

NETWORKED = frozenset(
    {"9p", "acfs", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fhgfs", "ftp", "gfs", "gfs2"}
    | {"glusterfs", "gpfs", "lustre", "mfs", "moosefs", "ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs"}
    | {"panfs", "pvfs2", "s3fs", "smb", "smb2", "smb3", "smbfs", "vboxsf", "webdav", "weka", "wekafs"}
)
FUSE_NETWORKED = frozenset(
    {"blobfuse", "blobfuse2", "ceph", "curlftpfs", "davfs2", "gcsfuse", "geesefs", "glusterfs", "goofys"}
    | {"juicefs", "moosefs", "mount-s3", "mountpoint-s3", "ossfs", "rclone", "s3fs", "seaweedfs", "sshfs"}
)
MOUNT_LINE = re.compile(r"^.* on (?P<at>.+?) (?:type (?P<linux>\S+) )?\((?P<kind>[^,)]+)")
REMOTE_DRIVE = 4
"""`DRIVE_REMOTE` of https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getdrivetypew"""


def network_kind(path: Path) -> str | None:
    """Tell which network file system a path lies on, None for a local one, or when nobody knows.

    Takes milliseconds and may start a program, so it belongs into a thread.
    """
    kind = _kind(path.resolve())
    return kind if kind is not None and is_networked(kind) else None


def is_networked(kind: str) -> bool:
    """Tell whether a file system is shared between machines, by the name that the system gives it."""
    kind = kind.lower()
    return kind in NETWORKED or kind.removeprefix("fuse.") in FUSE_NETWORKED


def kind_in_mountinfo(path: Path, mountinfo: str) -> str | None:
    """Find the file system of a path in the text of `/proc/self/mountinfo`.

    https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    """
    mounts = []
    for line in mountinfo.splitlines():
        place, _, rest = line.partition(" - ")
        if rest:
            mounts.append((_unescaped(place.split()[4]), rest.split()[0]))
    return _innermost(path, mounts)


def kind_in_mount_output(path: Path, output: str) -> str | None:
    """Find the file system of a path in what `mount` prints on macOS and the BSDs."""
    found = [found for line in output.splitlines() if (found := MOUNT_LINE.match(line))]
    return _innermost(path, [(each["at"], each["linux"] or each["kind"]) for each in found])


def _innermost(path: Path, mounts: list[tuple[str, str]]) -> str | None:
    kind, depth = None, -1
    for at, its_kind in mounts:
        place = Path(at)
        if path.is_relative_to(place) and len(place.parts) >= depth:  # the last one mounted lies on top
            kind, depth = its_kind, len(place.parts)
    return kind


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


if sys.platform == "win32":

    def _kind(path: Path) -> str | None:
        import ctypes

        is_remote = path.drive.startswith("\\\\") or (
            ctypes.windll.kernel32.GetDriveTypeW(path.anchor) == REMOTE_DRIVE
        )
        return "smb" if is_remote else None

elif sys.platform == "linux":

    def _kind(path: Path) -> str | None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:  # no /proc in this container
            return None
        return kind_in_mountinfo(path, mountinfo)

else:

    def _kind(path: Path) -> str | None:
        try:
            done = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.SubprocessError):
            return None
        return kind_in_mount_output(path, done.stdout)
