"""Who acts, and on which machine: each fact under the one that vouches for it."""

from __future__ import annotations

import hashlib
import os
import platform
import pwd
import socket
from collections.abc import Mapping
from pathlib import Path

import console
from console.journal.entry import Claimed, Host, Kernel, Who

UNSET = 4294967295
"""The kernel's login uid of a process that no login began (4294967295 is -1)."""
_PTS = range(136, 144)
"""Major device numbers of pseudo-terminals (Linux, Documentation/admin-guide/devices.txt)."""


def who(environ: Mapping[str, str] = os.environ, proc: Path = Path("/proc/self")) -> Who:
    """The user as the kernel knows it, and what the environment claims besides."""
    uid = os.getuid()
    loginuid = _loginuid(proc)
    return Who(
        kernel=Kernel(
            uid=uid,
            user=_name(uid),
            pid=os.getpid(),
            loginuid=loginuid,
            login="" if loginuid is None else _name(loginuid),
            tty=_tty(proc),
        ),
        claimed=Claimed(
            sudo_user=_short(environ.get("SUDO_USER", "")),
            ssh_connection=_short(environ.get("SSH_CONNECTION", "")),
        ),
    )


def summary(who: Who) -> str:
    """One line: ``root (login alice; claimed: sudo alice, ssh 10.0.0.5)``. Not yet safe."""
    kernel, claimed = who.kernel, who.claimed
    claims = []
    if claimed.sudo_user:
        claims.append(f"sudo {claimed.sudo_user}")
    if claimed.ssh_connection:
        claims.append(f"ssh {claimed.ssh_connection.split(' ')[0]}")
    parts = []
    if kernel.loginuid is not None and kernel.loginuid != kernel.uid:
        parts.append(f"login {kernel.login or kernel.loginuid}")
    if claims:
        parts.append(f"claimed: {', '.join(claims)}")
    return (kernel.user or str(kernel.uid)) + (f" ({'; '.join(parts)})" if parts else "")


def host() -> Host:
    """This machine and this program. The machine's id is hashed, as its manual asks."""
    machine = ""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            raw = Path(path).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        machine = hashlib.sha256(f"token-console\0{raw}".encode()).hexdigest()
        break
    return Host(
        name=_short(socket.gethostname()),
        console=console.__version__,
        python=platform.python_version(),
        machine=machine,
    )


def boot_id() -> str:
    """The kernel's id of this start of the machine, empty where it gives none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _short(text: str) -> str:
    return text[:200].encode("utf-8", "replace").decode()


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return ""


def _loginuid(proc: Path) -> int | None:
    try:
        value = int((proc / "loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if value == UNSET else value


def _tty(proc: Path) -> str:
    """The controlling terminal by the kernel's own record: an environment could claim any."""
    try:
        number = int((proc / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[4])
    except (OSError, ValueError, IndexError):
        return ""
    major, minor = os.major(number), os.minor(number)
    if major in _PTS:
        return f"pts/{minor + 256 * (major - _PTS.start)}"
    return f"tty{minor}" if major == 4 else ""
