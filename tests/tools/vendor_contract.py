"""Requests and answers held against what a vendor has published about its API.

The files are the vendors' and not ours to hand on: ``VENDOR_OPENAPI_DIR`` says where they are, by
default ``shared/vendor`` beside this repository.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse
from werkzeug.datastructures import ImmutableMultiDict

BESIDE = Path(__file__).parents[3] / "shared" / "vendor"
Operation = tuple[str, str]


def contract(name: str, *, unread: tuple[Operation, ...] = ()) -> "Contract":
    """The contract of that file; the test is skipped where there is none.

    ``unread`` are operations whose answers the file describes wrongly.
    """
    path = Path(os.environ.get("VENDOR_OPENAPI_DIR") or BESIDE) / name
    if not path.is_file():
        pytest.skip(f"{name} is not in VENDOR_OPENAPI_DIR ({path.parent})")
    return Contract(json.loads(path.read_text()), unread)


class Contract:
    def __init__(self, description: dict[str, Any], unread: tuple[Operation, ...]) -> None:
        # Both files repeat an operationId or leave out what the meta-schema wants; neither matters.
        config = Config(
            spec_validator_cls=None,
            extra_media_type_deserializers={"application/vnd.nexhealth+json": _loads},
        )
        description = _either(description)
        self._openapi = OpenAPI.from_dict(description, config=config)  # type: ignore[arg-type]
        self._description = description
        self._unread = unread
        servers = description.get("servers") or [{"url": "https://api.example"}]
        self._host = servers[0]["url"]
        self.seen: set[Operation] = set()

    def transport(self) -> "Checked":
        return Checked(self)

    def check_request(self, request: httpx.Request) -> Operation:
        """Raises AssertionError for what the file does not allow, or does not know."""
        operation = self._operation(request)
        self.seen.add(operation)
        try:
            self._openapi.validate_request(self._mock(request))
        except OpenAPIError as error:
            raise AssertionError(f"{operation}: {error}: {error.__cause__}") from error
        # A name that the file does not know is no error to it, and most likely one of ours.
        described = self._description["paths"][operation[1]][operation[0]]
        known = {each["name"] for each in described.get("parameters", ()) if each["in"] == "query"}
        strange = {name for name, _ in request.url.params.multi_items()} - known
        assert not strange, f"{operation}: no parameter is called {strange}"
        if request.content:
            schema = described["requestBody"]["content"]["application/json"]["schema"]
            strange = set(self._strange(schema, json.loads(request.content), "body"))
            assert not strange, f"{operation}: nothing is called {strange}"
        return operation

    def check_answer(self, request: httpx.Request, answer: httpx.Response, body: bytes) -> None:
        operation = self._operation(request)
        described = self._description["paths"][operation[1]][operation[0]]["responses"]
        if operation in self._unread or str(answer.status_code) not in described:
            return
        content_type = answer.headers["content-type"]
        mock = MockResponse(body, answer.status_code, dict(answer.headers), content_type)
        try:
            self._openapi.validate_response(self._mock(request), mock)
        except OpenAPIError as error:
            why = getattr(error.__cause__, "schema_errors", error.__cause__)
            raise AssertionError(f"{operation} answers {error}: {why}") from error

    def _mock(self, request: httpx.Request) -> MockRequest:
        return MockRequest(
            self._host,
            request.method.lower(),
            request.url.path,
            args=ImmutableMultiDict(request.url.params.multi_items()),  # type: ignore[arg-type]
            headers=dict(request.headers),
            data=request.content,
        )

    def _operation(self, request: httpx.Request) -> Operation:
        for pattern in sorted(self._description["paths"], key=lambda path: path.count("{")):
            parts = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(pattern))
            if re.fullmatch(parts, request.url.path):
                assert request.method.lower() in self._description["paths"][pattern]
                return request.method.lower(), pattern
        raise AssertionError(f"there is no {request.url.path}")

    def _strange(self, schema: dict[str, Any], value: Any, place: str) -> Iterator[str]:
        """Names of a body that no part of its schema knows; an object of no known names is free."""
        if not isinstance(value, dict):
            return
        known = self._properties(schema)
        for name, inner in value.items() if known else ():
            if name in known:
                yield from self._strange(known[name], inner, f"{place}.{name}")
            else:
                yield f"{place}.{name}"

    def _properties(self, schema: dict[str, Any]) -> dict[str, Any]:
        if reference := schema.get("$ref"):
            return self._properties(self._description["components"]["schemas"][_last(reference)])
        found: dict[str, Any] = dict(schema.get("properties", {}))
        for each in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
            found |= self._properties(each)
        return found


class Checked(httpx.AsyncBaseTransport):
    """Sends what it has checked, and checks what comes back."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self._contract.check_request(request)
        answer = await self._inner.handle_async_request(request)
        body = await answer.aread()
        self._contract.check_answer(request, answer, body)
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]


def _loads(body: bytes, **_parameters: str) -> Any:
    return json.loads(body)


def _either(described: Any) -> Any:
    """Its ``oneOf`` read as ``anyOf``: a plain booking is a recurring one without a count too."""
    match described:
        case dict():
            return {
                "anyOf" if name == "oneOf" else name: _either(each)
                for name, each in described.items()
            }
        case list():
            return [_either(each) for each in described]
        case _:
            return described
