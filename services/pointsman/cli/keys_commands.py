"""What the command line offers for the keys of callers. What a command does is in the file of its name."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

from typing import Annotated

import typer

from pointsman.cli.arguments import Config, Json
from pointsman.cli.help import shown

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@keys.command("create", **shown("Make a key for a caller.", "pointsman keys create alice"))
def keys_create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whose: a [callers.NAME] of the settings.", show_default=False)
    ],
    *,
    key_env: Annotated[
        str, typer.Option("--key-env", metavar="VARIABLE", help="Take in the key in this variable; none is made.")
    ] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a key for a caller and print it, once: the file keeps its hash alone. A running Router knows it at once."""
    from pointsman.cli.keys import create

    create(name, config, key_env=key_env, as_json=as_json)


@keys.command("list", **shown("Show every key.", "pointsman keys list"))
def keys_list(*, config: Config = None, as_json: Json = False) -> None:
    """Show every key by its id: whose it is, since when, and whether it was revoked."""
    from pointsman.cli.keys import list_keys

    list_keys(config, as_json=as_json)


@keys.command("revoke", **shown("Take a key back.", "pointsman keys revoke 1f2e3d4c"))
def keys_revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `keys list` shows it.", show_default=False)],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take a key back. A running Router knows it at once; calls under way end as they would."""
    from pointsman.cli.keys import revoke

    revoke(id_, config, as_json=as_json)
