"""`python -m tests.chaos.redis_entry PORT FOLDER`: a `redis-server` that says when it answers, as the other parts do.

It keeps every write on the disk, so that a kill costs it nothing.
"""

import json
import os
import socket
import sys
import time
from contextlib import closing
from typing import Final

LOOK_S: Final = 0.01


def main(port: int, folder: str) -> None:
    """Become Redis here, so that signals reach it; a child prints a line of JSON when the port answers."""
    redis = os.getpid()
    if os.fork() == 0:
        while os.getppid() == redis and not _answers(port):
            time.sleep(LOOK_S)
        if os.getppid() == redis:
            print(json.dumps({"port": port}), flush=True)
        os._exit(0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": folder,
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "loglevel": "warning",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    os.execvp("redis-server", ["redis-server", *words])  # noqa: S606 - no shell


def _answers(port: int) -> bool:
    with closing(socket.socket()) as asking:
        try:
            asking.connect(("127.0.0.1", port))
            asking.sendall(b"PING\r\n")
            return asking.recv(7) == b"+PONG\r\n"
        except OSError:
            return False


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
