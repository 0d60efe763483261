"""A practice of any trade: what is of one trade stands in its files, and in no code."""

import re
from pathlib import Path

import pytest

from admin import processes
from bridge.profile import PACKAGED, load_profiles
from tools import seed
from tools.catalog import CATALOG, OFFERED, parameters_schema

ROOT = Path(__file__).parents[2]
ONE_TRADE = re.compile(
    r"(?<![a-z])(dent(al|ist|ure)\w*|tooth\w*|teeth|hygien\w*|patients?|clean(ing)?s?|cavit\w+"
    r"|whitening|bicycles?|bikes?|derailleurs?|repairs?)(?![a-z])",
    re.IGNORECASE,
)
BRIDGE = [
    path
    for path in sorted((ROOT / "bridge").rglob("*.py"))
    if not path.is_relative_to(ROOT / "bridge" / "simulator")
]


def test_the_words_of_a_trade_are_known_here() -> None:
    profiles = "".join(path.read_text(encoding="utf-8") for path in PACKAGED.glob("*.toml"))

    assert {"dental", "cleaning", "whitening", "bicycle", "derailleur"} <= {
        found.group().lower() for found in ONE_TRADE.finditer(profiles)
    }


@pytest.mark.parametrize("path", BRIDGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_bridges_code_knows_no_trade(path: Path) -> None:
    assert not ONE_TRADE.findall(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CATALOG)
def test_what_a_model_reads_of_a_tool_is_of_no_trade(name: str) -> None:
    tool = CATALOG[name]
    fields = parameters_schema(tool)["properties"].values()
    told = [tool.description, tool.fallback, *(field["description"] for field in fields)]

    assert not [text for text in told if ONE_TRADE.search(text)]


def test_every_profile_that_ships_has_its_calendar() -> None:
    profiles = load_profiles(PACKAGED, known_tools=OFFERED).all()
    calendars = [seed.read_practice(path) for path in seed.DEMOS]

    assert sorted((each.id, each.name, each.time_zone) for each in calendars) == sorted(
        (each.id, each.name, each.time_zone) for each in profiles
    )


def test_both_are_entered_when_no_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path}/holdfast.db"}
    processes.migrate(environ)
    capsys.readouterr()

    assert processes.seed(environ) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Hillside Dental (hillside) is entered",
        "Copperline Cycles (copperline) is entered",
    ]
