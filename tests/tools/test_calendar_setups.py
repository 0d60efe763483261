"""What is written about setting up a calendar elsewhere can be set up so."""

import re
import tomllib

import httpx
import msgspec
import pytest

from tools import calendars
from tools.calendars.opening import open_remote, read_config
from tools.office import Office

TOLD = re.split(r"(?m)^ *\[calendar\]$", calendars.__doc__ or "")[1:]
SECRETS = {"HILLSIDE_CALDAV": "x", "HILLSIDE_CALCOM": "cal_x", "HILLSIDE_NEXHEALTH": "x"}


def test_every_kind_is_told() -> None:
    kinds = [tomllib.loads(each)["kind"] for each in TOLD]

    assert kinds == ["caldav", "calcom", "nexhealth"]


@pytest.mark.parametrize("told", TOLD)
async def test_what_is_told_of_it_opens_it(told: str, office: Office) -> None:
    config = msgspec.json.encode(tomllib.loads(told)).decode()
    practice = msgspec.structs.replace(office.practice, calendar=config)
    read_config(config)

    async with httpx.AsyncClient() as client:
        remote = open_remote(practice, SECRETS, client)
        with pytest.raises(ValueError, match="is not set"):
            open_remote(practice, {}, client)

    assert remote.kind == tomllib.loads(told)["kind"]
