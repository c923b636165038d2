"""Settings: one TOML file and the environment in, one frozen typed tree out. The only reader of both."""

from pointsman.config.load import load, settings_hash
from pointsman.config.settings import Settings

__all__ = ["Settings", "load", "settings_hash"]
