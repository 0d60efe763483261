"""From a practice's ``calendar`` to the ``Remote`` that it names.

The JSON is checked here and when a practice is entered. It never holds a secret, only the name of
the environment variable that does; what stands in it is written by an operator, so its errors may
repeat the names of fields, and never a value of the environment.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import httpx
import msgspec

from tools.calendars.caldav import CalDav, CalDavConfig
from tools.calendars.remote import Remote
from tools.practices import Practice

RemoteConfig: TypeAlias = CalDavConfig
"""One struct for each kind, told apart by ``kind``. Providers and services are named as in the
practice's file: by the part of their id after the colon."""

_read: Final = msgspec.json.Decoder(RemoteConfig).decode


def read_config(config_json: str) -> RemoteConfig:
    """What a practice says about its calendar.

    Raises:
        ValueError: it is not one we know, or lacks something; the message names the field.
    """
    try:
        return _read(config_json)
    except msgspec.DecodeError as error:
        raise ValueError(f"calendar: {error}") from None


def open_remote(
    practice: Practice, environ: Mapping[str, str], client: httpx.AsyncClient
) -> Remote:
    """The calendar that a practice keeps; nothing is asked of it yet.

    Raises:
        ValueError: the configuration is none, or a secret it names is not in the environment.
    """
    config = read_config(practice.calendar)
    return CalDav(config, client, practice, password=_secret(environ, config.password_env))


def _secret(environ: Mapping[str, str], name: str) -> str:
    if not name:
        return ""
    value = environ.get(name, "")
    if not value:
        raise ValueError(f"calendar: {name} is not set")
    return value
