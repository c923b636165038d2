"""An image that is named by its URL, through all three services: nobody of ours goes to see it."""

from pointsman.cli.stack import Stack
from pointsman.rpc.channel import open_channel
from pointsman.v1 import router_pb2, router_pb2_grpc
from pointsman.v1 import types_pb2 as pb
from tests.fakes.http_server import ScriptedReply, http_server


async def test_no_service_fetches_the_url_of_an_image(stack: Stack) -> None:
    async with (
        http_server(ScriptedReply()) as stranger,
        open_channel(stack.router.address, message_bytes=1_000_000) as channel,
    ):
        url = stranger.url.replace("http://", "https://")
        parts = [pb.Part(text="What is it?"), pb.Part(image_url=pb.ImageUrl(url=url))]
        request = router_pb2.RouteRequest(messages=[pb.Message(role=pb.ROLE_USER, parts=parts)])

        response = await router_pb2_grpc.RouterServiceStub(channel).Route(request, timeout=10)

        assert response.verdict.category == "vision"
        assert stranger.connections == 0
