"""How long to look: `make fuzz` chooses this profile, and plays a hundred times as many inputs as `make test`."""

from hypothesis import settings

settings.register_profile("fuzz", max_examples=4_000)
