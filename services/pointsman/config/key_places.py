"""Where the keys of providers are: settings name a variable or a file, and a key written there instead goes no further.

All is looked at before the table is parsed, since most refusals repeat the value; none of these does.
"""

import re
from collections.abc import Mapping
from typing import Final

from pointsman.config.parse import join
from pointsman.domain.errors import SettingsError

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY: Final = re.compile(
    r"(?:sk|rk|pk|pm|gsk|xai)[-_][\w-]{16,}|AIza[\w-]{30,}|(?=[^0-9]*[0-9])[A-Za-z0-9]{32,}", re.ASCII
)
"""Keys as providers write them (2026-11), and whatever is as long as one, with a digit and no gap between words.
Prefixes in capitals are left to names of variables, such as SK_OF_THE_SECOND_ACCOUNT."""

_MEANT_FOR_KEYS: Final = frozenset({"api_key", "apikey", "key", "token", "secret"})

ADVICE: Final = (
    "keys of providers never stand here; put the key into a variable and name that variable in api_key_env, "
    "or name a file in api_key_file"
)


def check_key_places(table: Mapping[str, object]) -> None:
    """Raise SettingsError, without the value, where settings that are not yet parsed hold a key of a provider.

    So does what stands in `api_key_env` and is no name of a variable.
    """
    providers = table.get("providers")
    for name, provider in providers.items() if isinstance(providers, dict) else ():
        for key, value in provider.items() if isinstance(provider, dict) else ():
            _check(join(join("providers", name), key), key, value)


def _check(path: str, key: str, value: object) -> None:
    if key.lower().replace("-", "_") in _MEANT_FOR_KEYS:
        raise SettingsError(f"{path} is not a setting; {ADVICE}", path=path)
    if key not in {"api_key_env", "api_key_file"} or value == "":
        return
    if not isinstance(value, str):
        raise SettingsError(f"{path} must be text in quotes; {ADVICE}", path=path)
    if _KEY.fullmatch(value):
        raise SettingsError(f"{path} looks like a key, which is not said again; {ADVICE}", path=path)
    if key == "api_key_env" and not _VARIABLE.fullmatch(value):
        message = f"{path} is no name of a variable, so it may be a key and is not said again; {ADVICE}"
        raise SettingsError(message, path=path)
