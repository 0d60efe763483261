"""From a practice's ``calendar`` to the ``Remote`` that it names.

The JSON is checked here and when a practice is entered. It never holds a secret, only the name of
the environment variable that does; what stands in it is written by an operator, so its errors may
repeat the names of fields, and never a value of the environment.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import httpx
import msgspec

from tools.addresses import check_key
from tools.calendars.calcom import CalCom
from tools.calendars.calcom_messages import CalComConfig
from tools.calendars.caldav import CalDav, CalDavConfig
from tools.calendars.nexhealth import NexHealth
from tools.calendars.nexhealth_messages import NexHealthConfig
from tools.calendars.remote import Remote
from tools.practices import Practice

RemoteConfig: TypeAlias = CalDavConfig | CalComConfig | NexHealthConfig
"""One struct for each kind, told apart by ``kind``. Providers and services are named as in the
practice's file: by the part of their id after the colon."""

_reader: Final[msgspec.json.Decoder[RemoteConfig]] = msgspec.json.Decoder(RemoteConfig)


def read_config(config_json: str) -> RemoteConfig:
    """What a practice says about its calendar.

    Raises:
        ValueError: it is not one we know, or lacks something; the message names the field.
    """
    try:
        return _reader.decode(config_json)
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
    match config:
        case CalDavConfig():
            password = _secret(environ, config.password_env)
            return CalDav(config, client, practice, password=password)
        case CalComConfig():
            key = _secret(environ, config.key_env, check_key)
            return CalCom(config, client, practice, secret=key)
        case NexHealthConfig():
            key = _secret(environ, config.key_env, check_key)
            return NexHealth(config, client, practice, secret=key)


def _secret(
    environ: Mapping[str, str], name: str, check: Callable[[str], None] = lambda _: None
) -> str:
    if not name:
        return ""
    value = environ.get(name, "")
    if not value:
        raise ValueError(f"calendar: {name} is not set")
    try:
        check(value)
    except ValueError as error:
        raise ValueError(f"calendar: {name}: {error}") from None
    return value
