"""All practices of a folder, a file each; checked at start."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from bridge.errors import BadConfiguration
from bridge.profile.lines import Lines
from bridge.profile.lines import Path as KeyPath
from bridge.profile.practice import Profile, Profiles
from bridge.profile.reading import Wrong, field_name, read

PACKAGED: Final = Path(__file__).parents[1] / "profiles"
"""The profiles that come with the project, used unless ``PROFILES_DIR`` names a folder."""


def load_profiles(
    directory: Path, *, known_tools: Iterable[str], environ: Mapping[str, str] = os.environ
) -> Profiles:
    """Every ``*.toml`` of a folder.

    ``environ`` has what endpoints' headers name as ``${NAME}``.

    Raises:
        BadConfiguration: no file, a file that is not as it should be, or two that claim the same
            id or number. A line for each thing wrong: ``file:line: field: what was expected``.
    """
    files = sorted(file for file in directory.glob("*.toml") if file.is_file())
    if not files:
        raise BadConfiguration(f"{directory}: no profile (*.toml) in this folder")
    tools = frozenset(known_tools)
    profiles = [_load(file, tools, environ) for file in files]
    claims: dict[str, Path] = {}
    for file, profile in zip(files, profiles, strict=True):
        for path, claim in _claims(profile):
            if claim in claims:
                line = Lines(file.read_text(encoding="utf-8-sig")).of(path)
                raise BadConfiguration(
                    f"{file.name}:{line}: {field_name(path)}: {claim} is claimed by "
                    f"{claims[claim].name} too"
                )
            claims[claim] = file
    numbers = {number for profile in profiles for number in profile.numbers}
    for file, profile in zip(files, profiles, strict=True):
        if profile.transfer_number in numbers:
            line = Lines(file.read_text(encoding="utf-8-sig")).of(("transfer_number",))
            raise BadConfiguration(
                f"{file.name}:{line}: transfer_number: expected a person's number, this one "
                "reaches a practice here: the call would come back"
            )
    return Profiles(profiles)


def _claims(profile: Profile) -> Iterator[tuple[KeyPath, str]]:
    yield ("id",), profile.id
    for place, number in enumerate(profile.numbers):
        yield ("numbers", place), number


def _load(file: Path, known_tools: frozenset[str], environ: Mapping[str, str]) -> Profile:
    raw = file.read_bytes()
    try:
        return read(raw.decode("utf-8-sig"), known_tools=known_tools, environ=environ)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadConfiguration(f"{file.name}:{line}: not UTF-8 text") from error
    except Wrong as wrong:
        said = "\n".join(f"{file.name}:{line}: {problem}" for line, problem in wrong.problems)
        raise BadConfiguration(said) from wrong
