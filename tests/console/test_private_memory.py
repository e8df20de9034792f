"""No process of ours leaves a core dump: a crash must not write a secret to the disk."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import pytest
from patience import HANG

ASKED = (
    "import ctypes, json, resource, sys\n"
    "def told():\n"
    "    limits = resource.getrlimit(resource.RLIMIT_CORE)\n"
    "    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"
    "    sys.stderr.write('core ' + json.dumps([*limits, dumpable]) + '\\n')\n"
)
ENTRIES = {
    "command": "from console.cli import main; main(['config', 'path'])",
    "worker": "from console.worker.serving import main; main(['/nowhere', '/nowhere'])",
    "runner": (
        "from console.response.runner import main; "
        "main(['x', '--config', '/nowhere/c', '--state', '/nowhere'])"
    ),
    "kit": "from backends.conformance.__main__ import main; main([])",
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_core_dumps_are_off_in_every_process(entry: str) -> None:
    code = f"{ASKED}try:\n    {ENTRIES[entry]}\nexcept BaseException:\n    pass\ntold()\n"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG
    )
    said = next(line for line in done.stderr.splitlines() if line.startswith("core "))
    soft, hard, dumpable = json.loads(said.removeprefix("core "))
    assert (soft, hard) == (0, 0)
    assert dumpable == 0 or sys.platform != "linux"


def test_what_a_process_starts_inherits_the_limit() -> None:
    code = "from backends.memory import keep_private; keep_private(); import subprocess\n"
    code += "subprocess.run(['sh', '-c', 'ulimit -c'])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG
    )
    assert done.stdout.strip() == "0"


def test_who_acts_is_still_known_to_a_user_whose_process_is_private() -> None:
    from backends import memory
    from console.journal.who import host, who

    who(), host()  # What they import may lie where only root can read.
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            if os.geteuid() == 0:
                # Root may look into everything; whoever else tests is a user already.
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            before = who(), host()
            memory.keep_private()
            code = 0 if (who(), host()) == before else 1
            if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):
                code = 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
