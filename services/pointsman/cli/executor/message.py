"""Messages of the contract as scripts read them."""

from typing import Any

from google.protobuf import json_format


def as_json(message: Any) -> dict[str, object]:  # noqa: ANN401 - any message of the contract
    """Return a message in its JSON form, fields named as in the protos and none left out: what a script reads."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
