"""Where a key stands, held against a writer of TOML that knows because it wrote it there."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.profile.lines import Lines, Path
from bridge.profile.reading import field_name

PLAIN = ["a", "b", "thinking", "eot-threshold", "42", "a.b", 'say "it"', "é", "", "# no comment"]
SCALARS = [
    "true", "-3", "0.5", "1979-05-27 07:32:00", "07:32:00", "nan", '"text"', "'literal'",
    '"with # and ] and }"', r'"a \" quote"', r"'C:\temp'", '""', "''", '"""one line"""',
    '"""two\nlines"""', "'''two\nlines ''quoted'''''", '"""\n["x]\n"""', r'"""ends in \""""',
    '""""quoted" and ""quoted"""""',
]  # fmt: skip


@pytest.mark.parametrize("scalar", SCALARS)
def test_the_scalars_of_these_tests_are_toml(scalar: str) -> None:
    assert "k" in tomllib.loads(f"k = {scalar}\n")


class Writer:
    """Writes tables and remembers the line of each key."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.text = ""
        self.lines: dict[Path, int] = {}
        self._draw = draw

    def table(self, path: Path, depth: int) -> None:
        """The pairs of a table first, since what follows a header belongs to it."""
        keys = self._draw(st.lists(st.sampled_from(PLAIN), unique=True, max_size=4))
        kinds = {key: self._draw(st.sampled_from(["pair", "dotted", "table", "tables"]))
                 for key in keys}  # fmt: skip
        if depth == 0:
            kinds = {key: "pair" for key in keys}
        for key, kind in kinds.items():
            if kind == "pair":
                self._note((*path, key))
                self._pair((*path, key), self._written(key), depth)
            elif kind == "dotted":
                self._note((*path, key))
                self._note((*path, key, "x"))
                self._pair((*path, key, "x"), f"{self._written(key)} . x", depth)
        for key, kind in kinds.items():
            if kind == "table":
                self._header((*path, key), depth)
            elif kind == "tables":
                for place in range(self._draw(st.integers(1, 3))):
                    self._header((*path, key, place), depth)

    def _header(self, path: Path, depth: int) -> None:
        self._air()
        name = " . ".join(self._written(key) for key in path if isinstance(key, str))
        if isinstance(path[-1], int):
            self._note(path[:-1])
        self._note(path)
        self.text += f"[[{name}]]" if isinstance(path[-1], int) else f"[ {name} ]"
        self._end()
        self.table(path, depth - 1)

    def _pair(self, path: Path, key: str, depth: int) -> None:
        self.text += f"{key} = "
        self._value(path, depth)
        self._end()
        self._air()

    def _value(self, path: Path, depth: int, *, inline: bool = False) -> None:
        kind = self._draw(st.sampled_from(["scalar", "array", "inline"])) if depth else "scalar"
        if kind == "array":
            self.text += "["
            for place in range(self._draw(st.integers(0, 3))):
                self.text += self._draw(st.sampled_from(["", "\n", " # [x\n\n", "  "]))
                self._note((*path, place))
                self._value((*path, place), depth - 1)
                self.text += self._draw(st.sampled_from([",", "\n,", ", "]))
            self.text += "]"
        elif kind == "inline":
            self.text += "{"
            keys = self._draw(st.lists(st.sampled_from(PLAIN), unique=True, max_size=3))
            for place, key in enumerate(keys):
                self.text += ", " if place else " "
                self._note((*path, key))
                self.text += f"{self._written(key)}="
                self._value((*path, key), depth - 1)
            self.text += "}"
        else:
            self.text += self._draw(st.sampled_from(SCALARS))

    def _written(self, key: str) -> str:
        bare = key.replace("-", "").isalnum() and key.isascii()
        quoted = '"' + key.replace('"', r"\"") + '"'
        return self._draw(st.sampled_from([key, quoted])) if bare else quoted

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def _end(self) -> None:
        self.text += self._draw(st.sampled_from(["\n", " # why = [\n", "\t\n\n"]))

    def _air(self) -> None:
        self.text += self._draw(st.sampled_from(["", "\n", "  # [a comment]\n", "   \n\n"]))


@st.composite
def files(draw: st.DrawFn) -> Writer:
    writer = Writer(draw)
    writer.table((), draw(st.integers(0, 3)))
    return writer


@given(files())
def test_every_key_is_found_on_the_line_on_which_it_was_written(written: Writer) -> None:
    tomllib.loads(written.text)
    lines = Lines(written.text)

    assert {path: lines.of(path) for path in written.lines} == written.lines


@given(st.text(alphabet="ab.=[]{}\"'#\\,1 \n", max_size=60))
def test_whatever_is_toml_is_read_to_its_end(text: str) -> None:
    try:
        found: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return

    lines = Lines(text)

    assert all(1 <= lines.of((key,)) <= text.count("\n") + 1 for key in found)


def test_a_table_that_was_only_implied_is_found_where_it_is_at_last_written() -> None:
    lines = Lines("[a.b]\nc = 1\n\n[a]\nd = 2\n")

    assert (lines.of(("a", "b")), lines.of(("a",)), lines.of(("a", "d"))) == (1, 4, 5)


def test_what_is_not_written_is_looked_for_where_it_is_missing() -> None:
    lines = Lines("x = 1\n\n[phrases]\ngreeting = 'Hello.'\n")

    assert lines.of(("phrases", "apology")) == 3
    assert lines.of(("id",)) == 1


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("listening", "model"), "listening.model"),
        (("thinking", 0, "model"), "thinking[0].model"),
        (("pronunciation", "Dr. Who"), 'pronunciation."Dr. Who"'),
    ],
)
def test_a_path_is_told_as_one_writes_it(path: Path, name: str) -> None:
    assert field_name(path) == name
