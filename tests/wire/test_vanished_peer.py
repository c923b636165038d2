"""A service whose host or network is gone without a word: its connection stays open, and nobody answers on it."""

import pytest

from pointsman.rpc import channel as channels
from pointsman.rpc import server as servers
from pointsman.rpc.channel import call, open_channel
from pointsman.v1 import classifier_pb2 as pb
from pointsman.v1 import classifier_pb2_grpc
from tests.chaos.proxy import Weather, linked
from tests.fakes.serving import CLASSIFY, MESSAGE_BYTES, FakeClassifier, serving


async def test_a_peer_that_vanished_without_a_word_is_found_out_and_reached_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channels, "KEEPALIVE_MS", 100)
    monkeypatch.setattr(channels, "KEEPALIVE_TIMEOUT_MS", 100)
    monkeypatch.setattr(servers, "LEAST_PING_MS", 50)
    async with serving(FakeClassifier()) as server, linked("router-classifier") as link:
        host, _, port = server.address.rpartition(":")
        link.target = (host, int(port))
        async with open_channel(link.address, message_bytes=MESSAGE_BYTES) as channel:
            stub, said = classifier_pb2_grpc.ClassifierServiceStub(channel), []
            for weather in (Weather.CLEAR, Weather.HALF_OPEN):
                link.turn(weather)
                link.turn(Weather.CLEAR)
                request = pb.ClassifyRequest()
                said.append(await call(stub.Classify, request, method=CLASSIFY, target=link.address, timeout_s=10))

    assert said[0] == said[1]
