import json
from datetime import date

import msgspec
import pytest

from bridge.simulator import scenario
from bridge.simulator.brain import CONFUSED, Brain
from bridge.simulator.scenario import Action, AgentRule, Ask, CallerStep, Scenario, ScenarioError
from bridge.simulator.templates import Missing, day_of, fill, words
from bridge.wire import deepgram

SUNDAY = date(2026, 11, 22)


@pytest.mark.parametrize("name", scenario.names())
def test_every_shipped_scenario_is_one_and_bears_its_files_name(name):
    call = scenario.load(name)

    assert call.name == name
    assert call.caller[-1].hangup, "a caller who never hangs up"
    assert msgspec.json.decode(msgspec.json.encode(call), type=Scenario) == call


def test_a_scenario_is_loaded_from_any_file(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\nsummary = "mine"\n[[caller]]\nhangup = true\nat_ms = 5\n')

    assert scenario.load(path).caller[0].trigger == ("at_ms", 5)


def test_an_unknown_scenario_names_the_known_ones():
    with pytest.raises(ScenarioError, match="cleaning"):
        scenario.load("no-such")


@pytest.mark.parametrize(
    "text",
    [
        "name = ",
        'name = "x"',
        'name = "x"\nsummary = "y"\nsurprise = 1',
        'name = "x"\nsummary = "y"\n[[caller]]\nsay = "a"\nhangup = true',
        'name = "x"\nsummary = "y"\n[[caller]]\nat_ms = 3',
        'name = "x"\nsummary = "y"\n[[caller]]\nsay = "a"\nat_ms = 3\nat_mark = 1',
        'name = "x"\nsummary = "y"\n[[caller]]\npress = "A"',
        'name = "x"\nsummary = "y"\n[[agent]]\ndo = [{}]',
        'name = "x"\nsummary = "y"\n[[agent]]\ndo = [{ say = "a", drop = true }]',
        'name = "x"\nsummary = "y"\n[faults]\ndrop_at_ms = -1',
        'name = "x"\nsummary = "y"\n[faults]\nsession_limit_s = 5',
        'name = "x"\nsummary = "y"\n[faults]\nclose_code = 99',
        'name = "x"\nsummary = "y"\n[faults]\nmute_replies = -2',
        'name = "x"\nsummary = "y"\n[[faults.strikes]]\nhow = "explode"',
        'name = "x"\nsummary = "y"\n[[faults.strikes]]\nsessions = [0]',
        'name = "x"\nsummary = "y"\n[[agent]]\ndo = [{ ask_again = true, close = true }]',
        'name = "x"\nsummary = "y"\n[[agent]]\ndo = [{ ask = [{ tool = "t", times = 0 }] }]',
    ],
)
def test_what_is_no_scenario_is_refused_with_its_files_name(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text)

    with pytest.raises(ScenarioError, match=r"own\.toml"):
        scenario.load(path)


def test_a_step_without_a_trigger_waits_politely():
    assert CallerStep(say="hello").trigger == ("after_agent_ms", 700)


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("today", "2026-11-22"),
        ("tomorrow", "2026-11-23"),
        ("next:monday", "2026-11-23"),
        ("next:sunday", "2026-11-29"),
        ("next:Saturday", "2026-11-28"),
        ("in:40", "2027-01-01"),
    ],
)
def test_days_are_reckoned_from_today(words, day):
    assert str(day_of(words, SUNDAY)) == day


MEMORY = {"slots": {"say": "At nine.", "offers": [{"start": "T9"}, {"start": "T11"}], "none": []}}


def test_words_are_filled_from_answers():
    assert words("{slots.say} Or {slots.offers[1].start}?", MEMORY, SUNDAY) == "At nine. Or T11?"
    assert words("{slots.offers[7].start|later}", MEMORY, SUNDAY) == "later"


def test_arguments_keep_their_type_and_leave_out_what_is_missing():
    template = {
        "offers": "{slots.offers}",
        "start": "{slots.offers[0].start}",
        "day": "{next:monday}",
        "none": "{nothing.here}",
        "count": 3,
        "deep": ["{slots.say}"],
    }

    assert fill(template, MEMORY, SUNDAY) == {
        "offers": MEMORY["slots"]["offers"],
        "start": "T9",
        "day": "2026-11-23",
        "count": 3,
        "deep": ["At nine."],
    }


@pytest.mark.parametrize("path", ["nothing", "slots.offers[9]", "slots.say.more", "slots[0]"])
def test_a_path_to_nothing_is_missing(path):
    with pytest.raises(Missing):
        words(f"{{{path}}}", MEMORY, SUNDAY)


def brain(*rules):
    return Brain(Scenario(name="x", summary="y", agent=list(rules)))


def rule(*hears, **more):
    return AgentRule(hears=list(hears), do=[Action(say="yes")], **more)


def test_the_first_rule_whose_words_are_heard_is_taken():
    first, second, rest = rule("clean"), rule("cleaning"), rule()
    mind = brain(first, second, rest)

    assert mind.rule_for("A CLEANING, please!") is second
    assert mind.rule_for("all clean") is first
    assert mind.rule_for("anything") is rest
    assert brain(first).rule_for("anything") is CONFUSED


def test_a_rule_may_be_used_once():
    first, second = rule("yes", once=True), rule("yes")
    mind = brain(first, second)

    assert mind.rule_for("yes") is mind.rule_for("yes") is first
    mind.use(first)
    assert mind.rule_for("yes") is second


def test_a_rule_may_need_an_answer():
    mind = brain(rule("first", needs=["slots"]), rule())
    assert not mind.rule_for("the first").needs

    mind.answered(Ask(tool="find_slots", save_as="slots"), json.dumps(MEMORY["slots"]))

    assert mind.rule_for("the first").needs == ["slots"]
    assert mind.sentences("{slots.say} {find_slots.say}") == ["At nine.", "At nine."]


def test_an_answer_that_is_no_json_is_kept_as_text():
    mind = brain()
    mind.answered(Ask(tool="find_slots"), "nothing free")

    assert mind.sentences("{find_slots}.") == ["nothing free."]


def test_words_whose_answer_never_came_are_not_made_up():
    assert brain().sentences("{slots.say}") == ["I'm sorry, I can't see that just now."]


def test_history_brings_back_answers_and_uses_up_rules():
    asks = Action(ask=[Ask(tool="find_slots", save_as="slots")])
    once = AgentRule(hears=["cleaning"], do=[asks], once=True)
    mind = brain(once, rule("cleaning"))
    record = deepgram.FunctionCallRecord(
        id="1", name="find_slots", client_side=True, arguments="{}", response='{"say": "Nine."}'
    )

    mind.remember(
        [
            deepgram.History(role="user", content="a cleaning"),
            deepgram.History(function_calls=[record]),
        ]
    )

    assert mind.rule_for("a cleaning") is not once
    assert mind.sentences("{slots.say}") == ["Nine."]
