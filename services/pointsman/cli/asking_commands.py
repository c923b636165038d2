"""What the command line offers to ask a running stack. What a command does is in the file of its name."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

from typing import Annotated

import typer

from pointsman.cli.arguments import (
    ROUTER,
    TIMEOUT_S,
    ApiKeyEnv,
    Authority,
    Category,
    Certificate,
    Images,
    Json,
    Key,
    LocalOnly,
    MaxOutputTokens,
    RouterAddress,
    Text,
    Timeout,
)
from pointsman.cli.help import shown
from pointsman.cli.reach import tls_of

asking = typer.Typer()


@asking.command(
    **shown(
        "Have one prompt answered.",
        'pointsman route "2+2는?"',
        'pointsman route "What is in this picture?" --image cat.png',
        "git diff | pointsman route - --category coding --stream",
        'pointsman route "Draft a polite refusal." --local-only --json',
    )
)
def route(  # noqa: PLR0913 - one argument an option, as typer wants them
    text: Text,
    *,
    image: Images = None,
    category: Category = "",
    max_output_tokens: MaxOutputTokens = None,
    local_only: LocalOnly = False,
    timeout: Timeout = TIMEOUT_S,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,
    address: RouterAddress = ROUTER,
    api_key_env: ApiKeyEnv = "",
    authority: Authority = None,
    certificate: Certificate = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Have one prompt answered by a running stack.

    The answer goes to standard output; who gave it, how long it took and what it cost to standard error.

    With --stream a break after the first text ends with what came and exit code 1; nobody else goes on with the answer.
    With --json too, each line is an object with one key: "start" (verdict, chosen), "delta" (text, tool_calls), and at
    last "end" (finish_reason, partial, trail, usage, cost_usd) or "error" (reason, code, message).
    """
    from pointsman.cli.ask import Ask, read_images, read_key, read_text
    from pointsman.cli.route import route
    from pointsman.cli.route_stream import route_stream

    ask = Ask(
        text=read_text(text),
        images=read_images(image or ()),
        category=category,
        max_output_tokens=max_output_tokens,
        local_only=local_only,
        timeout_s=timeout,
        address=address,
        api_key=read_key(api_key_env),
        tls=tls_of(authority, certificate, key),
    )
    (route_stream if stream else route)(ask, as_json=as_json)


@asking.command(
    **shown(
        "Show how a prompt would be routed, and why.",
        'pointsman explain "Prove that there are infinitely many primes."',
        'pointsman explain "이 글을 고쳐줘: …" --json',
    )
)
def explain(  # noqa: PLR0913 - one argument an option, as typer wants them
    text: Text,
    *,
    image: Images = None,
    category: Category = "",
    max_output_tokens: MaxOutputTokens = None,
    local_only: LocalOnly = False,
    timeout: Timeout = TIMEOUT_S,
    address: RouterAddress = ROUTER,
    api_key_env: ApiKeyEnv = "",
    authority: Authority = None,
    certificate: Certificate = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show how a prompt would be routed now, and why. Calls no provider and costs nothing."""
    from pointsman.cli.ask import Ask, read_images, read_key, read_text
    from pointsman.cli.explain import explain as ask_router

    ask = Ask(
        text=read_text(text),
        images=read_images(image or ()),
        category=category,
        max_output_tokens=max_output_tokens,
        local_only=local_only,
        timeout_s=timeout,
        address=address,
        api_key=read_key(api_key_env),
        tls=tls_of(authority, certificate, key),
    )
    ask_router(ask, as_json=as_json)
