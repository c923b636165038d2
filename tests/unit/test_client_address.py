import pytest

from pointsman_client.address import check_address


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:50051", "localhost:1", "[::1]:50051", "router.internal:443", "unix:/run/p.sock", "dns:///a:1"],
)
def test_what_names_a_place_is_taken(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address", ["", " ", "localhost", "localhost:", ":50051", "::1", "http://a:1", "a:1/path", "a:0", "a:65536", "a:b"]
)
def test_what_grpc_would_take_for_another_place_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"such as 127\.0\.0\.1:50051"):
        check_address(address)
