"""The phrase cache seen and emptied by an operator; its keys stay ``bridge.phrases``' own."""

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get
from litestar.di import NamedDependency
from litestar.exceptions import ValidationException
from litestar.params import Parameter

from bridge.phrases import PhraseCache, PhraseEntry

Practice = Annotated[str | None, Parameter(description="Id of a practice profile.")]
Voice = Annotated[str | None, Parameter(description="Voice model, as in the profile.")]
Kind = Annotated[str | None, Parameter(description="greeting or filler, or what else is cached.")]
Key = Annotated[str | None, Parameter(description="One phrase, by its key as listed.")]
DryRun = Annotated[bool, Parameter(description="Only count what would be forgotten.")]


class Phrases(msgspec.Struct, frozen=True, kw_only=True):
    """What is cached, and how well the cache does."""

    phrases: list[PhraseEntry]
    cached: int
    """Phrases over all practices, whatever the filter."""
    audio_bytes: int
    hits: int
    misses: int
    hit_rate: float
    """Share of lookups, over all instances, that found their phrase."""


class Flushed(msgspec.Struct, frozen=True, kw_only=True):
    """What a flush did, or would do."""

    phrases: int
    dry_run: bool


async def look(
    cache: PhraseCache,
    *,
    practice: str | None = None,
    voice: str | None = None,
    kind: str | None = None,
) -> Phrases:
    """The cache as one answer, for the API and the command alike."""
    stats = await cache.stats()
    return Phrases(
        phrases=await cache.entries(practice, voice, kind),
        cached=stats.phrases,
        audio_bytes=stats.audio_bytes,
        hits=stats.hits,
        misses=stats.misses,
        hit_rate=round(stats.hit_rate, 4),
    )


@get("/phrases", summary="List cached phrases")
async def list_phrases(
    request: Request[Any, Any, Any],
    cache: NamedDependency[PhraseCache],
    practice: Practice = None,
    voice: Voice = None,
    kind: Kind = None,
) -> Phrases:
    """What is cached for a practice, a voice, a kind, or at all, and the hit rate."""
    _refuse_other_parameters(request, "practice", "voice", "kind")
    return await look(cache, practice=practice, voice=voice, kind=kind)


@delete("/phrases", status_code=200, summary="Forget cached phrases")
async def flush_phrases(
    request: Request[Any, Any, Any],
    cache: NamedDependency[PhraseCache],
    practice: Practice = None,
    voice: Voice = None,
    kind: Kind = None,
    key: Key = None,
    dry_run: DryRun = False,
) -> Flushed:
    """Forget what fits every filter given; all of it without a filter. Bridges refill by need."""
    _refuse_other_parameters(request, "practice", "voice", "kind", "key", "dry_run")
    count = await cache.flush(practice=practice, voice=voice, kind=kind, key=key, dry_run=dry_run)
    return Flushed(phrases=count, dry_run=dry_run)


def _refuse_other_parameters(request: Request[Any, Any, Any], *names: str) -> None:
    """A mistyped filter would otherwise flush everything."""
    if unknown := sorted(set(request.query_params) - set(names)):
        errors = [{"key": name, "message": "no such parameter"} for name in unknown]
        raise ValidationException(f"known parameters: {', '.join(names)}", extra=errors)
