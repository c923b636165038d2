"""The names of the three services, where nothing else of them is needed."""

from typing import Literal

Room = Literal["router", "classifier", "executor"]
