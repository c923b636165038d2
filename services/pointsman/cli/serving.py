"""One service of the three, by its name."""

from contextlib import AbstractAsyncContextManager

from pointsman.cli.room import Room
from pointsman.config import Settings
from pointsman.config.revision import Register
from pointsman.domain.clock import Clock
from pointsman.rpc.server import Server


def running(
    room: Room, settings: Settings, *, clock: Clock, on_reload: Register, is_port_shared: bool = False
) -> AbstractAsyncContextManager[Server]:
    """Return one service, not started yet. Only its own code is imported, so that three processes do not hold nine.

    `on_reload` is told how it takes up newer settings. `is_port_shared` says that other processes listen at its
    address too; the Executor never shares one.
    """
    if room == "executor":
        from pointsman.executor import app as executor  # noqa: PLC0415 - as said

        return executor.run(settings, clock=clock, on_reload=on_reload)
    categories = tuple(settings.pools)
    if room == "classifier":
        from pointsman.classifier import app as classifier  # noqa: PLC0415 - as said

        return classifier.run(
            settings.classifier,
            settings.limits,
            categories,
            clock=clock,
            tls=settings.tls,
            is_port_shared=is_port_shared,
            on_reload=on_reload,
        )
    from pointsman.router import app as router  # noqa: PLC0415 - as said

    return router.run(
        settings.router,
        settings.limits,
        categories,
        clock=clock,
        tls=settings.tls,
        callers=settings.callers,
        is_port_shared=is_port_shared,
        on_reload=on_reload,
    )
