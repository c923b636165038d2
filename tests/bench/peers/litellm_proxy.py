"""LiteLLM's proxy, which reaches nobody beyond loopback. Runs in .venv-peers."""

from tests.waste.peers.litellm_arm import stay_here


def main() -> None:
    """Serve as the arguments say, the same as those of the command `litellm`."""
    from litellm import run_server  # type: ignore[import-not-found]  # noqa: PLC0415 - of .venv-peers, once nothing can call out

    run_server()


if __name__ == "__main__":
    stay_here()
    main()
