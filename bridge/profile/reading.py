"""A profile from its TOML text, or what is wrong with it: line, field, and what was expected.

All that is wrong is told at once. Leaves what must hold between keys to ``rules``.
"""

import math
import re
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from bridge.profile.lines import Lines, Path
from bridge.profile.practice import Profile
from bridge.profile.rules import complaints

LONGEST_FILE: Final = 200_000
"""Characters; a full profile has about 5,000."""

_WHERE: Final = re.compile(r" \(at line (\d+), column \d+\)\Z")
_END: Final = " (at end of document)"
_PLACEHOLDER: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_KINDS: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


class Wrong(Exception):
    """What is wrong with a profile, in the order of its lines."""

    def __init__(self, problems: Iterable[tuple[int, str]]) -> None:
        super().__init__()
        self.problems = sorted(problems)
        """Line, and ``field: what was expected``."""


def read(text: str, *, known_tools: Iterable[str], environ: Mapping[str, str]) -> Profile:
    """The profile that a text describes.

    ``environ`` fills the ``${NAME}`` of endpoints' headers.

    Raises:
        Wrong: it describes none.
    """
    text = text.replace("\r\n", "\n")
    written = _parse(text)
    lines = Lines(text)
    found = [*_fill_in(written, environ), *_check(written, Profile, ())]
    if not found:
        profile = msgspec.convert(written, Profile)
        found = list(complaints(profile, known_tools))
    if found:
        raise Wrong((lines.of(path), f"{field_name(path)}: {wrong}") for path, wrong in found)
    return profile


def field_name(path: Path) -> str:
    """A path as one writes it: ``thinking[0].model``."""
    name = ""
    for part in path:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            plain = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            name += ("." if name else "") + (part if plain else f'"{part}"')
    return name


def _parse(text: str) -> dict[str, Any]:
    if len(text) > LONGEST_FILE:
        raise Wrong([(1, f"{len(text)} characters; at most {LONGEST_FILE}")])
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = _WHERE.search(str(error))
        line = int(where.group(1)) if where else text.rstrip().count("\n") + 1
        reason = _WHERE.sub("", str(error)).removesuffix(_END)
        raise Wrong([(line, f"not TOML: {reason}")]) from error
    except RecursionError as error:
        raise Wrong([(1, "nested too deeply")]) from error


# --- what is written against what is expected --------------------------------------------------


def _check(value: Any, expected: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Compare a value with the type it should have, and go down into both."""
    kind, meta = _unwrapped(expected)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from _check_table(value, kind, path)
    elif get_origin(kind) is tuple and isinstance(value, list):
        wrong = False
        for place, entry in enumerate(value):
            for problem in _check(entry, get_args(kind)[0], (*path, place)):
                wrong = True
                yield problem
        if not wrong:
            yield from _check_plain(value, expected, meta, path)
    elif get_origin(kind) is dict and isinstance(value, dict):
        key_type, value_type = get_args(kind)
        wrong = False
        for key, entry in value.items():
            for problem in (
                *_check(key, key_type, (*path, key)),
                *_check(entry, value_type, (*path, key)),
            ):
                wrong = True
                yield problem
        if not wrong:
            yield from _check_plain(value, expected, meta, path)
    else:
        yield from _check_plain(value, expected, meta, path)


def _check_table(value: Any, table: type[msgspec.Struct], path: Path) -> Iterator[tuple[Path, str]]:
    if not isinstance(value, dict):
        yield path, "expected a table"
        return
    fields = {field.name: field for field in msgspec.structs.fields(table)}
    for key, entry in value.items():
        if key in fields:
            yield from _check(entry, fields[key].type, (*path, key))
        else:
            yield (*path, key), "no such key" + _suggestion(key, list(fields), path)
    for name, field in fields.items():
        if field.required and name not in value:
            yield (*path, name), "missing"


def _check_plain(
    value: Any, expected: Any, meta: Meta | None, path: Path
) -> Iterator[tuple[Path, str]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, "expected a finite number"  # of nan no bound is untrue
        return
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        yield path, _said(str(error), value, expected, meta)


def _unwrapped(expected: Any) -> tuple[Any, Meta | None]:
    """The type without its bounds and without "or nothing", which TOML cannot write."""
    meta: Meta | None = None
    while True:
        if get_origin(expected) is Annotated:
            expected, meta = get_args(expected)[0], get_args(expected)[1]
        elif get_origin(expected) in (Union, types.UnionType):
            (expected,) = (one for one in get_args(expected) if one is not type(None))
        else:
            return expected, meta


def _said(complaint: str, value: Any, expected: Any, meta: Meta | None) -> str:
    """The library's complaint in the words of whoever writes the file; never the value."""
    kind, _ = _unwrapped(expected)
    if get_origin(kind) is Literal:
        words = [str(word) for word in get_args(kind)]
        close = get_close_matches(str(value), words, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        return f"expected {', '.join(words[:-1])} or {words[-1]}{hint}"
    if "matching regex" in complaint:
        return f"expected {meta.description}" if meta and meta.description else "expected words"
    if bound := re.search(r"of length (<=|>=) (\d+)", complaint):
        one, many = ("character", "characters") if kind is str else ("entry", "entries")
        what = one if bound.group(2) == "1" else many
        return f"expected {_amount(bound.group(1))} {bound.group(2)} {what}"
    if bound := re.search(r"(<=|>=|<|>) (-?[\d.]+)", complaint):
        sign = bound.group(1).replace("<=", "≤").replace(">=", "≥")
        return f"expected {sign} {bound.group(2)}"
    if multiple := re.search(r"multiple of (\d+)", complaint):
        return f"expected a multiple of {multiple.group(1)}"
    wanted = re.search(r"Expected `(\w+)", complaint)
    return f"expected {_KINDS.get(wanted.group(1), wanted.group(1))}" if wanted else complaint


def _amount(sign: str) -> str:
    return "at most" if sign == "<=" else "at least"


def _suggestion(key: str, known: list[str], path: Path) -> str:
    """The nearest key that there is: in this table, else the same one in another."""
    if close := get_close_matches(key, known, n=1):
        return f"; did you mean {close[0]}?"
    elsewhere = [field_name(one) for one in all_keys(Profile, ()) if one[-1] == key]
    return f"; did you mean {elsewhere[0]}?" if elsewhere else ""


def all_keys(table: type[msgspec.Struct], path: Path) -> Iterator[Path]:
    """Every key of a table and of the tables inside it."""
    for field in msgspec.structs.fields(table):
        kind, _ = _unwrapped(field.type)
        if get_origin(kind) is tuple:
            kind, _ = _unwrapped(get_args(kind)[0])
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from all_keys(kind, (*path, field.name))
        else:
            yield (*path, field.name)


# --- what comes from the environment ------------------------------------------------------------


def _fill_in(written: dict[str, Any], environ: Mapping[str, str]) -> list[tuple[Path, str]]:
    """Put the environment's values into the headers of endpoints, in place."""
    missing: list[tuple[Path, str]] = []
    for table in ("thinking", "speaking_fallback"):
        for place, headers in enumerate(_headers_of(written.get(table))):
            for name, text in headers.items():
                path: Path = (table, place, "endpoint", "headers", name)
                unset = [one for one in _PLACEHOLDER.findall(text) if not environ.get(one)]
                missing += [(path, f"{one} is not in the environment") for one in unset]
                if not unset:
                    headers[name] = _PLACEHOLDER.sub(lambda one: environ[one.group(1)], text)
    return missing


def _headers_of(entries: Any) -> Iterator[dict[str, str]]:
    """Of each entry, as far as it has any; what has another shape is not judged here."""
    for entry in entries if isinstance(entries, list) else ():
        try:
            headers = entry["endpoint"]["headers"]
            yield headers if all(isinstance(text, str) for text in headers.values()) else {}
        except (KeyError, TypeError, AttributeError):
            yield {}
