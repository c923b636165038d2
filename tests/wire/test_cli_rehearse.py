"""`pointsman simulate` as a rehearsal: real processes, no sockets."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from pointsman.cli.rehearsal_parts import parts, rehearse_all, rehearse_part
from pointsman.cli.rehearsal_traffic import Invented
from pointsman.cli.rehearse import START
from pointsman.config import load
from tests.fakes.command import pointsman

REFERENCE = Path(__file__).parents[2] / "deploy/pointsman.toml"
