"""The operator's verbs on the command line: the same owners asked as by the admin API."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from admin import phrases
from admin.errors import NotReady, OperatorError
from admin.state import RunFile
from admin.surroundings import read_env_file
from bridge.errors import StateUnavailable
from bridge.phrases import PhraseCache

Filters = Mapping[str, str | None]


def surrounding(environ: Mapping[str, str], state: Path) -> dict[str, str]:
    """The environment, filled in from ``.env`` and from the run that uses this directory."""
    run = RunFile.read(state)
    given = {name: value for name, value in {**read_env_file(), **environ}.items() if value}
    return {**(run.environ if run else {}), **given}


def print_json(answer: Any) -> None:
    """One JSON document."""
    print(msgspec.json.format(msgspec.json.encode(answer)).decode())


async def list_phrases(
    environ: Mapping[str, str], state: Path, filters: Filters, *, as_json: bool
) -> int:
    """Print what is cached."""
    try:
        async with _cache(environ, state) as cache:
            answer = await phrases.look(cache, **filters)
    except StateUnavailable as error:
        raise NotReady("Redis cannot be reached") from error
    if as_json:
        print_json(answer)
        return 0
    for each in answer.phrases:
        print(f"{each.key}  {each.kind}  {each.voice}  {each.audio_bytes} bytes\n    {each.text}")
    print(
        f"{len(answer.phrases)} of {answer.cached} phrases; "
        f"{answer.hits} hits, {answer.misses} misses ({answer.hit_rate:.0%})"
    )
    return 0


async def flush_phrases(
    environ: Mapping[str, str],
    state: Path,
    filters: Filters,
    *,
    everything: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Forget phrases, or count what would be forgotten."""
    if not everything and not any(filters.values()) and not dry_run:
        raise OperatorError("name a filter, or say --all; --dry-run counts first")
    try:
        async with _cache(environ, state) as cache:
            count = await cache.flush(**filters, dry_run=dry_run)
    except StateUnavailable as error:
        raise NotReady("Redis cannot be reached") from error
    if as_json:
        print_json(phrases.Flushed(phrases=count, dry_run=dry_run))
    else:
        print(f"{count} phrases {'would be' if dry_run else 'are'} forgotten")
    return 0


def _cache(environ: Mapping[str, str], state: Path) -> PhraseCache:
    return PhraseCache(redis_url(environ, state), speech=None, wall_clock=time.time)


def redis_url(environ: Mapping[str, str], state: Path) -> str:
    """The Redis of these surroundings.

    Raises:
        NotReady: neither a run nor the environment names one.
    """
    url = surrounding(environ, state).get("REDIS_URL")
    if not url:
        raise NotReady(f"nothing runs in {state} and REDIS_URL is not set")
    return url
