"""What a practice says about its calendar, and which calendar that opens."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from tests.tools.vendor_cases import PRACTICE
from tools.calendars.opening import open_remote, read_config

CALCOM = {"kind": "calcom", "key_env": "CALCOM_KEY", "event_types": {"cleaning": {"shah": 11}}}
NEXHEALTH = {
    "kind": "nexhealth",
    "key_env": "NEXHEALTH_KEY",
    "subdomain": "hillside",
    "location_id": 7,
    "providers": {"shah": 83},
}
SECRETS = {"CALCOM_KEY": "cal_live_1", "NEXHEALTH_KEY": "nex-1"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def practice(config: dict[str, Any]) -> Any:
    return msgspec.structs.replace(PRACTICE, calendar=json.dumps(config))


@pytest.mark.parametrize("config", [CALCOM, NEXHEALTH])
def test_each_kind_opens_its_own(config: dict[str, Any], client: httpx.AsyncClient) -> None:
    assert open_remote(practice(config), SECRETS, client).kind == config["kind"]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (CALCOM | {"kind": "outlook"}, r"\$\.kind"),
        (CALCOM | {"event_types": {}}, r"\$\.event_types"),
        (CALCOM | {"event_types": {"cleaning": {"shah": "x"}}}, r"\$\.event_types"),
        (CALCOM | {"event_types": {"cleaning": {}}}, "event_types: "),
        (CALCOM | {"event_types": {"cleaning": {"shah": 1, "reyes": 1}}}, "event_types: "),
        (CALCOM | {"api_key": "cal_live_1"}, "api_key"),
        (CALCOM | {"key_env": ""}, r"\$\.key_env"),
        (CALCOM | {"url": "http://api.cal.example"}, "http:// is for loopback addresses only"),
        (NEXHEALTH | {"url": "ftp://nexhealth.example"}, "expected https"),
        (NEXHEALTH | {"providers": {}}, r"\$\.providers"),
        (NEXHEALTH | {"location_id": "seven"}, r"\$\.location_id"),
        (NEXHEALTH | {"operatories": {"reyes": 54}}, "operatories: reyes"),
        (NEXHEALTH | {"new_patients": {"email": "desk@hillside.example"}}, "date_of_birth"),
        ({"kind": "nexhealth"}, "key_env"),
    ],
)
def test_what_is_wrong_in_it_is_named(config: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"^calendar: .*{why}"):
        read_config(json.dumps(config))


@pytest.mark.parametrize("config", [CALCOM, NEXHEALTH])
def test_a_secret_that_is_missing_is_named(
    config: dict[str, Any], client: httpx.AsyncClient
) -> None:
    with pytest.raises(ValueError, match=rf"^calendar: {config['key_env']} is not set$"):
        open_remote(practice(config), {}, client)


@pytest.mark.parametrize("config", [CALCOM, NEXHEALTH])
def test_a_secret_that_cannot_be_sent_is_named_and_not_repeated(
    config: dict[str, Any], client: httpx.AsyncClient
) -> None:
    broken = {config["key_env"]: "half a key\n"}

    with pytest.raises(ValueError, match=f"^calendar: {config['key_env']}: expected") as error:
        open_remote(practice(config), broken, client)

    assert "half" not in str(error.value)
