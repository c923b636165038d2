"""What a process that serves leaves behind when it crashes."""

import signal
import subprocess
import sys

import pytest

TELL = """
import ctypes, resource
from pointsman.cli.core_dumps import forbid_core_dumps
forbid_core_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_process_that_forbids_dumps_has_no_room_for_one_and_is_not_dumpable() -> None:
    told = subprocess.run((sys.executable, "-c", TELL), capture_output=True, text=True, check=True, timeout=30)

    assert told.stdout == "(0, 0) 0\n"


def test_the_limit_cannot_be_raised_again_by_whoever_is_not_root() -> None:
    said = TELL + "import os\nos.setuid(65534)\nresource.setrlimit(resource.RLIMIT_CORE, (1, 1))\n"

    told = subprocess.run((sys.executable, "-c", said), capture_output=True, text=True, check=False, timeout=30)

    assert told.returncode != 0
    assert told.returncode != -signal.SIGSEGV
