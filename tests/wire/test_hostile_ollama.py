"""An Ollama that answers what no Ollama would: a fault with a name each time, and nothing worse."""

import orjson
import pytest

from pointsman.classifier.model import Model, ModelFault
from pointsman.config.settings import OllamaSettings
from pointsman.domain.category import CATEGORIES
from tests.fakes.http_server import ScriptedReply, http_server, json_reply

DEEP = b'{"a":' * 200_000
ANSWER = {"model": "m", "response": " coding", "done": True}
VAST = orjson.dumps(ANSWER)[:-1] + b',"total_duration":1' + b"0" * 400 + b"}"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(ScriptedReply(body=DEEP), id="deep"),
        pytest.param(ScriptedReply(status=500, body=b"[" * 100_000), id="deep-error"),
        pytest.param(
            ScriptedReply(body=orjson.dumps(ANSWER)[:-1] + b',"total_duration":1' + b"0" * 400 + b"}"), id="vast-number"
        ),
        pytest.param(ScriptedReply(body=b" " * 5_000_000 + orjson.dumps(ANSWER)), id="over-the-bound"),
        pytest.param(ScriptedReply(headers={"content-encoding": "gzip"}, body=b"\x1f\x8b nothing"), id="packed"),
        pytest.param(json_reply(["not", "an", "object"]), id="list"),
        pytest.param(ScriptedReply(status=307, headers={"location": "/elsewhere"}), id="redirect"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_fault(reply: ScriptedReply) -> None:
    async with http_server(reply) as server:
        model = Model(OllamaSettings(url=server.url), CATEGORIES)

        with pytest.raises(ModelFault):
            await model.ask("Category:")
        await model.close()

    assert [request.path for request in server.requests] == ["/api/generate"]
