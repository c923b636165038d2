"""The three services in one process and one event loop, each behind its own port.

The Router asks the other two within the process, or over the wire as if they ran elsewhere.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from pointsman.classifier import app as classifier
from pointsman.cli.ports import holders_named
from pointsman.config import Settings
from pointsman.config.revision import Register
from pointsman.domain.clock import Clock
from pointsman.executor import app as executor
from pointsman.router import app as router
from pointsman.router.app import Peers
from pointsman.rpc.server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Running servers; each `address` has the port that was really bound."""

    router: Server
    classifier: Server
    executor: Server

    @property
    def addresses(self) -> dict[str, str]:
        """Where each service listens, the public one first."""
        return {
            "router": self.router.address,
            "classifier": self.classifier.address,
            "executor": self.executor.address,
        }


@asynccontextmanager
async def running(
    settings: Settings, *, clock: Clock, over_the_wire: bool = False, on_reload: Register | None = None
) -> AsyncIterator[Stack]:
    """Start Executor, Classifier and Router; stop them in reverse, so that no call finds its next hop gone.

    The Router is pointed at the two that were started here, whatever the settings say about its peers: what became of a
    port 0 is known only now. Raises SettingsError when an address cannot be used or the settings do not fit together.
    """
    categories = tuple(settings.pools)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(holders_named(settings))
        executing = await stack.enter_async_context(executor.run(settings, clock=clock, on_reload=on_reload))
        classifying = await stack.enter_async_context(
            classifier.run(
                settings.classifier, settings.limits, categories, clock=clock, tls=settings.tls, on_reload=on_reload
            )
        )
        found = replace(settings.router, classifier_address=classifying.address, executor_address=executing.address)
        within = Peers(classifier=classifying.channel(), executor=executing.channel())
        routing = await stack.enter_async_context(
            router.run(
                found,
                settings.limits,
                categories,
                clock=clock,
                tls=settings.tls,
                callers=settings.callers,
                peers=None if over_the_wire else within,
                on_reload=on_reload,
            )
        )
        yield Stack(router=routing, classifier=classifying, executor=executing)
