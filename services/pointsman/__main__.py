"""`pointsman` and `python -m pointsman`."""

import os
import sys
from collections.abc import MutableMapping
from typing import Final

GRPC_EXPERIMENTS: Final = "GRPC_EXPERIMENTS"
_NO_POLLERS: Final = "-event_engine_client,-event_engine_listener"
"""With gRPC's own pollers each event goes through one thread more, to the one that waits for events anyway: three
processes with empty handlers take 11 to 16 % more CPU a Route (grpcio 1.85.1, 2026-11). A version that does not know
the words any more ignores them."""


def main() -> None:
    """Run the command line, or say how to get what it needs: the base install has the stubs alone."""
    poll_where_events_are_awaited(os.environ)  # noqa: TID251 - gRPC reads it there, once, when it is first used
    try:
        from pointsman.cli.commands import main as run  # noqa: PLC0415 - the base install does not have what it needs

        run()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in {"", "pointsman"}:
            raise
        sys.exit(f"pointsman: {missing} is not installed; get the command line with: pip install 'pointsman[serve]'")


def poll_where_events_are_awaited(environ: MutableMapping[str, str]) -> None:
    """Have gRPC's sockets polled by the thread that awaits its events; whoever set experiments before knows better."""
    environ.setdefault(GRPC_EXPERIMENTS, _NO_POLLERS)


if __name__ == "__main__":
    main()
