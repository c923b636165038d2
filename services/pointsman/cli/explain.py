"""`pointsman explain`: how a prompt would be routed now, as a tree. No provider is called."""

from datetime import datetime
from typing import Final

from rich.tree import Tree

from pointsman.cli.ask import Ask, failures_said
from pointsman.cli.executor import as_json as message_as_json
from pointsman.cli.invocation import program
from pointsman.cli.loop import run
from pointsman.cli.terminal import dollars, print_json, printable, screen, seconds
from pointsman.cli.trail_lines import joined, until
from pointsman.domain.clock import SystemClock
from pointsman.domain.trail import Skip
from pointsman.domain.verdict import DecidedBy, ModelHop, Verdict
from pointsman.rpc import convert
from pointsman.rpc.requests import options_to_pb
from pointsman_client import Explanation

DECIDERS: Final = {
    DecidedBy.CALLER: "you named it",
    DecidedBy.RULE: "a rule: an image is attached",
    DecidedBy.EMBEDDED: "the embedded classifier",
    DecidedBy.MODEL: "the small local model",
    DecidedBy.FUSION: "the embedded classifier and the small local model together",
    DecidedBy.DEFAULT: "the default of the settings, because the Classifier did not rule",
}

HOPS: Final = {
    ModelHop.ANSWERED: "asked",
    ModelHop.NOT_NEEDED: "not asked: it was decided without",
    ModelHop.CONFIDENT: "not asked: the embedded classifier was sure enough",
    ModelHop.SWITCHED_OFF: 'not asked: classifier.mode is "embedded"',
    ModelHop.STARTING: "not asked: it is still being loaded",
    ModelHop.MODEL_MISSING: f"not asked: Ollama does not have it; get it: {program()} pull",
    ModelHop.SELF_TEST_FAILED: f"not asked: its self-test failed; see how: {program()} doctor",
    ModelHop.COOLING: "not asked: it failed lately, or Ollama does not run",
    ModelHop.BUSY: "not asked: as many questions as allowed were under way",
    ModelHop.NO_TIME: "not asked: too little time was left",
    ModelHop.LATE: "asked, but late",
    ModelHop.FAILED: "asked, but the call failed",
    ModelHop.UNCLEAR: "asked, but its answer named no category clearly",
}


def explain(ask: Ask, *, as_json: bool) -> None:
    """Print the decision. Raises Failure."""
    explanation = run(_explain(ask, as_json=as_json))
    if as_json:
        print_json(message_as_json(explanation.response))
    else:
        screen().print(tree(explanation, SystemClock().now()))


async def _explain(ask: Ask, *, as_json: bool) -> Explanation:
    async with ask.client() as client:
        with failures_said(ask.address, as_json=as_json):
            return await client.explain(
                ask.text, images=ask.images, options=options_to_pb(ask.options), timeout_s=ask.timeout_s
            )


def tree(explanation: Explanation, now: datetime) -> Tree:
    """Return the decision as people read it; `now` is what waits are counted from."""
    response, plan = explanation.response, explanation.response.plan
    verdict = convert.verdict_from_pb(response.verdict, response.degraded_reasons)
    root = Tree(f"{verdict.category} {verdict.confidence:.2f}", guide_style="dim", highlight=False)
    _add_verdict(root, verdict)
    skips = [convert.skip_from_pb(skip) for skip in plan.skips]
    eligible = f"{len(plan.ready) or 'none'} of {len(plan.ready) + len(skips)} eligible"
    what = "tried in this order" if plan.ready else "so none would be tried"
    pool = root.add(f"pool {plan.category} ({plan.policy}): {eligible}, {what}")
    for place, planned in enumerate(plan.ready, 1):
        cost_usd = planned.cost_usd if planned.HasField("cost_usd") else None
        estimate = _estimate(planned.input_tokens, planned.output_tokens, cost_usd)
        wait_s = convert.duration_from_pb(planned.wait)
        wait = f"after waiting {seconds(wait_s)}" if wait_s else ""
        pool.add(f"{place}. {joined(planned.candidate, planned.model)}\n{joined('eligible', estimate, wait)}")
    for skip in skips:
        pool.add(_skipped(skip, now))
    if plan.HasField("fallback"):
        local = plan.fallback
        estimate = _estimate(local.input_tokens, local.output_tokens, local.cost_usd)  # a local model has a price: 0
        root.add(f"then the local fallback: {joined(local.candidate, local.model)}\n{estimate}")
    elif plan.HasField("fallback_skip"):
        root.add(f"the local fallback cannot serve: {_skipped(convert.skip_from_pb(plan.fallback_skip), now)}")
    else:
        root.add("no local fallback is set")
    if plan.settings_hash:
        root.add(f"settings {plan.settings_hash}")
    return root


def _estimate(input_tokens: int, output_tokens: int, cost_usd: float | None) -> str:
    return f"about {input_tokens:,} tokens in, {output_tokens:,} out, {dollars(cost_usd)}"


def _skipped(skip: Skip, now: datetime) -> str:
    """Return a candidate that is left out and until when; why in more words on a line of its own."""
    first = joined(f"{skip.candidate} · skipped: {skip.reason.replace('_', ' ')}", until(skip.ready_at, now))
    return "\n".join(filter(None, (first, printable(skip.detail))))


def _add_verdict(root: Tree, verdict: Verdict) -> None:
    root.add(
        f"decided by {DECIDERS[verdict.decided_by]}" + (" (remembered from an equal prompt)" if verdict.cached else "")
    )
    if verdict.probabilities:
        root.add(" · ".join(f"{category} {probability:.2f}" for category, probability in verdict.probabilities))
    took = f" ({seconds(verdict.model_duration_s)})" if verdict.model_duration_s is not None else ""
    root.add(f"small local model {HOPS[verdict.model_hop]}{took}")
    if verdict.classifier_version:
        root.add(f"classifier {verdict.classifier_version}")
    if verdict.degraded:
        root.add(f"degraded: {', '.join(verdict.degraded)}")
