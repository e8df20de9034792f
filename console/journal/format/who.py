"""Who acts, and on which machine: each fact under the one that vouches for it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import itertools
import os
import platform
import pwd
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

import console
from console.journal.format.entry import Claimed, Host, Kernel, Who
from console.sshsig.mark import Sshd

UNSET = 4294967295
"""The kernel's login uid of a process that no login began (4294967295 is -1)."""
_AUTH_INFO = 64 * 1024
"""Bytes to read of the file that sshd writes about a login."""
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
            sshd=sshd(environ),
        ),
    )


def summary(who: Who, signer: str = "") -> str:
    """One line: ``root (login alice; claimed: sudo alice, ssh 10.0.0.5)``. Not yet safe.

    ``signer`` is by what name the key is listed that signed: ``alice@example.com (root)``.
    """
    kernel, claimed = who.kernel, who.claimed
    claims = []
    if claimed.sudo_user:
        claims.append(f"sudo {claimed.sudo_user}")
    if claimed.ssh_connection:
        claims.append(f"ssh {claimed.ssh_connection.split(' ')[0]}")
    if claimed.sshd is not None:
        claims.append(f"login by {claimed.sshd.method} {claimed.sshd.key_fp[:15]}".rstrip())
    parts = []
    if kernel.loginuid is not None and kernel.loginuid != kernel.uid:
        parts.append(f"login {kernel.login or kernel.loginuid}")
    if claims:
        parts.append(f"claimed: {', '.join(claims)}")
    name = kernel.user or str(kernel.uid)
    if signer:
        name, parts = signer, [name, *parts]
    return name + (f" ({'; '.join(parts)})" if parts else "")


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


def sshd(environ: Mapping[str, str] = os.environ) -> Sshd | None:
    """How this login is said to have been authenticated (``ExposeAuthInfo yes``): a claim.

    sshd lists one method a line, with the key that was used (sshd_config(5)), in a file of
    mode 0600. It writes it with the user's own rights, so nothing that the kernel knows of
    the file tells sshd's from one that the user wrote. None where there is no such file.
    """
    path = environ.get("SSH_USER_AUTH", "")
    if not path.startswith("/"):
        return None
    try:
        # Without NONBLOCK a fifo in the file's place would hold the console up for ever.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(path, flags), "rb") as handle:
            found = os.fstat(handle.fileno())
            mine = found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o600
            if not (mine and stat.S_ISREG(found.st_mode)):
                return None
            lines = handle.read(_AUTH_INFO).decode("ascii").splitlines()
    except (OSError, ValueError):
        return None
    words = [line.split() for line in lines if line.split()]
    methods = [line[0][:40] for line in words[:4]]
    return (
        Sshd(
            method=",".join(methods),
            key_fp=next((fp for line in words if (fp := _key_in(line))), ""),
        )
        if methods
        else None
    )


def _key_in(words: list[str]) -> str:
    for kind, blob in itertools.pairwise(words):
        try:
            data = base64.b64decode(blob, validate=True)
        except (binascii.Error, ValueError):
            continue
        name = kind.encode()
        if data.startswith(len(name).to_bytes(4, "big") + name):
            # Here, since the others who ask who acts need nothing of cryptography.
            from console.sshsig.errors import KeyUnusable
            from console.sshsig.keys import parse

            with contextlib.suppress(KeyUnusable):
                return parse(data).fingerprint
    return ""


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
