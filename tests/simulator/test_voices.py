import hashlib
import string
import tomllib
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from bridge.simulator import scenario, voices
from bridge.simulator.brain import CONFUSED, NOTHING_TO_SAY, split_sentences
from bridge.simulator.sayings import letter_text
from bridge.simulator.synthesis import LEVEL_DBFS, Placeholder, best_synthesiser
from bridge.simulator.voices import AGENT, CALLER, Voices, read_index
from bridge.wire import mulaw
from bridge.wire.mulaw import FRAME_BYTES, duration_ms
from bridge.wire.overrides import override
from tools import spoken

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "bridge" / "simulator" / "clips"
MOST_BYTES = 3_000_000


class Silent:
    """A machine without speech: asking it fails the test."""

    def speak(self, text, voice):
        pytest.fail(f"no clip has {text!r} ({voice})")


@pytest.fixture
def bare():
    return Voices(synthesiser=Silent())


def test_every_clip_is_there_whole_and_small():
    clips = read_index()

    for clip in clips:
        assert hashlib.sha256((CLIPS / clip.file).read_bytes()).hexdigest() == clip.sha256, clip
    listed = {CLIPS / clip.file for clip in clips}
    assert set(CLIPS.glob("*/*.ulaw")) == listed
    assert sum(path.stat().st_size for path in listed) < MOST_BYTES


@pytest.mark.parametrize("name", scenario.names())
def test_every_line_of_every_scenario_ships(bare, name):
    call = scenario.load(name)
    for line in call.caller_lines():
        assert bare.render(line, CALLER)
    for rule in call.agent:
        for action in rule.do:
            if action.say and "{" not in action.say:
                assert bare.render(action.say, AGENT)


def test_everything_that_can_be_spelled_ships(bare):
    for letter in string.ascii_uppercase + string.digits:
        assert bare.ships(letter_text(letter), CALLER), letter


def test_the_emulated_models_own_sentences_ship(bare):
    assert bare.ships(CONFUSED.do[0].say, AGENT)
    assert bare.ships(NOTHING_TO_SAY, AGENT)


def test_the_demo_practices_phrases_ship(bare):
    profile = tomllib.loads((ROOT / "bridge/profiles/hillside.toml").read_text())
    phrases = profile["phrases"]
    for text in (phrases["greeting"], *phrases["fillers"], phrases["apology"]):
        assert bare.ships(text, AGENT), text


TODAY = date(2026, 11, 22)


@pytest.mark.parametrize("away", range(0, 366, 3))
def test_any_offered_day_can_be_said_from_clips(bare, away):
    moment = datetime.combine(TODAY + timedelta(days=away % 300), time(9, 30))
    assert bare.ships(f"I have {spoken.moment(moment, TODAY)}. Which suits you?", AGENT)
    assert bare.ships(
        f"Ines Moreau is booked for a cleaning {spoken.on_moment(moment, TODAY)} with Maya Torres.",
        AGENT,
    )


@pytest.mark.parametrize("hour", range(24))
def test_any_time_can_be_said_from_clips(bare, hour):
    for minute in range(60):
        assert bare.ships(f"at {spoken.clock(time(hour, minute))}", AGENT), (hour, minute)


def test_speech_is_whole_frames_at_a_telephones_level(bare):
    sound = bare.render("Thank you for calling Hillside Dental.", AGENT)

    assert len(sound) % FRAME_BYTES == 0
    assert 1500 < duration_ms(len(sound)) < 4000
    assert abs(mulaw.level_dbfs(sound) - LEVEL_DBFS) < 1.5


def test_the_same_text_is_the_same_sound(bare):
    text = "I have Tuesday, December first at nine thirty in the morning."

    assert bare.render(text, AGENT) == Voices(synthesiser=Silent()).render(text, AGENT)


def test_every_other_voice_is_the_agents(bare):
    assert bare.render("Goodbye.", "aura-2-thalia-en") == bare.render("Goodbye.", AGENT)


def test_a_word_with_its_pronunciation_beside_it_sounds_as_the_word(bare):
    told = f"One {override('moment', 'ˈmoʊmənt')}, please."

    assert bare.ships(told, AGENT)
    assert bare.render(told, AGENT) == bare.render("One moment, please.", AGENT)


def test_nothing_to_say_is_no_sound(bare):
    assert bare.render("", AGENT) == bare.render("...", AGENT) == b""


class Recording:
    def __init__(self):
        self.asked = []

    def speak(self, text, voice):
        self.asked.append((text, voice))
        return Placeholder().speak(text, voice)


def test_only_the_unknown_words_are_synthesised():
    synthesiser = Recording()
    sound = Voices(synthesiser=synthesiser)

    sound.render("I have Tuesday at zweihundert elephants in the morning.", AGENT)

    assert synthesiser.asked == [("zweihundert elephants", AGENT)]


def test_a_line_is_rendered_once():
    synthesiser = Recording()
    sound = Voices(synthesiser=synthesiser)

    assert not sound.ready("elephants", AGENT)
    sound.render("elephants", AGENT)
    sound.render("elephants", AGENT)

    assert sound.ready("elephants", AGENT)
    assert len(synthesiser.asked) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("at 9:30", "at nine thirty"),
        ("212-555-0142", "two one two five five five zero one four two"),
        ("21 Main", "twenty one main"),
        ("Dr. Okafor’s", "doctor okafor's"),
        ("twenty-first", "twenty first"),
    ],
)
def test_figures_are_read_as_a_person_reads_them(text, words):
    assert " ".join(voices._words(text)[0]) == words


def test_there_is_always_something_to_speak_with():
    assert len(best_synthesiser().speak("elephants", CALLER)) > 1000


def test_the_placeholder_is_audible_and_tells_words_apart():
    one, other = (Placeholder().speak(word, CALLER) for word in ("hello", "world"))

    assert mulaw.level_dbfs(one) > -30
    assert one != other
    assert len(one) == len(other)


def test_sentences_are_split_where_one_ends():
    assert split_sentences("Dr. Okafor is in. Is that fine? Yes!") == [
        "Dr. Okafor is in.",
        "Is that fine?",
        "Yes!",
    ]
