"""The practice of most tests, and the settings of a bridge that answers for it."""

from pathlib import Path
from typing import Any

import msgspec

from bridge.profile import PACKAGED, Profile, load_profiles
from bridge.settings import Settings
from tools.catalog import CATALOG

TOKEN = "12345"
PUBLIC_URL = "https://bridge.example.com"


def hillside(**changes: Any) -> Profile:
    profile = load_profiles(PACKAGED, known_tools=CATALOG).of_id("hillside")
    assert profile is not None
    return msgspec.structs.replace(profile, **changes)


def with_greeting(text: str) -> Profile:
    profile = hillside()
    phrases = msgspec.structs.replace(profile.phrases, greeting=text, fillers=())
    return msgspec.structs.replace(profile, phrases=phrases)


def bridge_settings(**changes: Any) -> Settings:
    known: dict[str, Any] = {
        "public_url": PUBLIC_URL,
        "twilio_account_sid": "AC1",
        "twilio_auth_token": TOKEN,
        "deepgram_api_key": "dg",
        "host": "127.0.0.1",
        "port": 0,
    }
    return Settings(**(known | changes))


def profiles_dir(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return folder
