"""A practice from its file: what it comes to, and what is said of a file that is wrong."""

import re
from typing import Any

import pytest

from bridge.errors import BadConfiguration
from bridge.profile import PACKAGED, Profile, Profiles, load_profiles
from bridge.profile.practice import CONTEXTS
from bridge.profile.reading import LONGEST_FILE, all_keys
from bridge.simulator.strict import speak as known_voices
from tests.bridge.practices import hillside, profiles_dir
from tools.catalog import CATALOG

GOOD = """\
id = "lakeside"
name = "Lakeside Dental"
numbers = ["+15550100300"]
time_zone = "Europe/Zurich"
prompt = "You answer the phone."
tools = ["find_slots"]

[phrases]
greeting = "Hello."
apology = "Sorry."
"""


def load(folder, environ: dict[str, str] | None = None, **files: str) -> Profiles:
    directory = profiles_dir(folder, **files)
    return load_profiles(directory, known_tools=CATALOG, environ=environ or {})


def lakeside(folder, more: str = "", environ: dict[str, str] | None = None) -> Profile:
    profile = load(folder, environ, lakeside=GOOD + more).of_id("lakeside")
    assert profile is not None
    return profile


def refusal(folder, text: str) -> list[str]:
    with pytest.raises(BadConfiguration) as refused:
        load(folder, lakeside=text)
    return str(refused.value).splitlines()


def lines_of(more: str) -> dict[str, int]:
    """Each line of what stands behind ``GOOD``, and its number in the file."""
    first = GOOD.count("\n") + 1
    return {line: first + place for place, line in enumerate(more.splitlines())}


# --- what there is ----------------------------------------------------------------------------


def test_two_trades_come_with_the_project() -> None:
    profiles = load_profiles(PACKAGED, known_tools=CATALOG)

    assert [profile.id for profile in profiles.all()] == ["copperline", "hillside"]


@pytest.mark.parametrize("practice", ["copperline", "hillside"])
def test_every_voice_of_a_packaged_profile_exists(practice: str) -> None:
    profile = load_profiles(PACKAGED, known_tools=CATALOG).of_id(practice)
    assert profile is not None

    models = {profile.voice(context).model for context in CONTEXTS}
    models |= {voice.model for voice in profile.speaking_fallback}

    assert all(known_voices.known_aura(model) for model in models)


def test_a_practice_is_found_by_number_and_by_id(tmp_path) -> None:
    profiles = load(tmp_path, lakeside=GOOD)

    assert profiles.of_number("+15550100300") is profiles.of_id("lakeside")
    assert profiles.of_number("+15550100399") is None
    assert profiles.of_id("hillside") is None


def test_a_file_with_the_line_ends_of_another_system_is_read(tmp_path) -> None:
    (tmp_path / "lakeside.toml").write_bytes(GOOD.replace("\n", "\r\n").encode())

    assert load_profiles(tmp_path, known_tools=CATALOG).of_id("lakeside") is not None


def test_every_key_is_explained_in_the_readme() -> None:
    readme = (PACKAGED.parents[1] / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## A practice's profile")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    named = set(re.findall(r"[a-z_]+", " ".join(rows)))

    assert {key for path in all_keys(Profile, ()) for key in path} <= named


# --- voices by context ------------------------------------------------------------------------


def test_a_context_without_a_voice_of_its_own_has_the_usual_one(tmp_path) -> None:
    profile = lakeside(
        tmp_path,
        '[speaking]\nmodel = "aura-2-luna-en"\nspeed = 1.1\n'
        '[voices.serious]\nmodel = "aura-2-mars-en"\n[voices.confirmation]\nspeed = 0.9\n',
    )

    found = {context: profile.voice(context) for context in CONTEXTS}

    assert {context: (voice.model, voice.speed) for context, voice in found.items()} == {
        "greeting": ("aura-2-luna-en", 1.1),
        "information": ("aura-2-luna-en", 1.1),
        "confirmation": ("aura-2-luna-en", 0.9),
        "serious": ("aura-2-mars-en", 1.1),
    }


def test_a_voice_for_information_is_the_usual_one(tmp_path) -> None:
    profile = lakeside(tmp_path, '[voices.information]\nmodel = "aura-2-mars-en"\n')

    assert profile.voice().model == profile.voice("greeting").model == "aura-2-mars-en"


def test_an_aura_voice_beside_a_flux_voice_does_not_inherit_its_expressivity(tmp_path) -> None:
    profile = lakeside(
        tmp_path,
        '[speaking]\nmodel = "flux-kit-en"\nexpressivity = 2\n'
        '[voices.serious]\nmodel = "aura-2-mars-en"\n',
    )

    assert profile.voice().expressivity == profile.voice("greeting").expressivity == 2
    assert profile.voice("serious").expressivity is None


# --- phrases ----------------------------------------------------------------------------------


def test_everything_worth_having_ready_is_among_the_cached_phrases() -> None:
    words = hillside().phrases

    assert hillside().cached_phrases[0] == ("greeting", words.greeting)
    assert set(hillside().cached_phrases) == {
        ("greeting", words.greeting),
        ("apology", words.apology),
        ("goodbye", words.unheard),
        ("goodbye", words.time_is_up),
        ("goodbye", words.goodbye),
        ("goodbye", words.put_through),
        ("cover", words.cover),
        *(("filler", text) for text in words.fillers),
    }


def test_a_phrase_is_ready_in_every_voice_that_may_say_it(tmp_path) -> None:
    profile = lakeside(
        tmp_path,
        'fillers = ["Hm."]\nnotice = "This call is recorded."\n'
        "[voices.greeting]\nspeed = 1.1\n[voices.serious]\nspeed = 1.1\n",
    )

    ready = {(one.kind, one.text, one.context) for one in profile.spoken_phrases}

    assert ready == {
        ("greeting", "Hello.", "greeting"),
        ("notice", "This call is recorded.", "greeting"),
        ("apology", "Sorry.", "information"),
        ("goodbye", profile.phrases.unheard, "information"),
        ("goodbye", profile.phrases.time_is_up, "information"),
        ("goodbye", profile.phrases.goodbye, "information"),
        ("goodbye", profile.phrases.put_through, "information"),
        ("filler", "Hm.", "information"),
        ("filler", "Hm.", "greeting"),
        ("cover", profile.phrases.cover, "information"),
        ("cover", profile.phrases.cover, "greeting"),
    }


# --- what is wrong, with file, line and field -----------------------------------------------------


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('id = "lakeside"', 'id = "Lake Side"', "1: id: expected small letters"),
        ('"+15550100300"', '"555-0100"', "3: numbers[0]: expected a number like +15550100200"),
        ('["+15550100300"]', '[\n"+15550100300",\n55]', "5: numbers[1]: expected text"),
        ('numbers = ["+15550100300"]', "numbers = []", "3: numbers: expected at least 1 entry"),
        ('numbers = ["+15550100300"]', "numbers = 5", "3: numbers: expected a list"),
        ('"Europe/Zurich"', '"Europe/Atlantis"', "4: time_zone: no such time zone"),
        ('"Europe/Zurich"', '"../../etc/passwd"', "4: time_zone: no such time zone"),
        ('["find_slots"]', '["order_pizza"]', "6: tools[0]: unknown order_pizza"),
        ('["find_slots"]', '["find_slots", "find_slots"]', "6: tools[1]: find_slots is named"),
        ('apology = "Sorry."', "", "8: phrases.apology: missing"),
        ('greeting = "Hello."', 'greeting = ""', "9: phrases.greeting: expected at least 1 char"),
        ('greeting = "Hello."', 'greeting = " "', "9: phrases.greeting: expected words"),
        ('name = "Lakeside Dental"', "", "1: name: missing"),
        ("[phrases]", "[voice]\n[phrases]", "8: voice: no such key; did you mean voices?"),
        ('name = "L', 'nmae = "L', "2: nmae: no such key; did you mean name?"),
        ("[phrases]", "phrases = 1\n[patience]", "8: phrases: expected a table"),
        ('"+15550100300"', '"+15550100300\\n"', "3: numbers[0]: expected a number like"),
        ("[phrases]", "thinking = 5\n[phrases]", "8: thinking: expected a list"),
        ("[phrases]", "thinking = [5]\n[phrases]", "8: thinking[0]: expected a table"),
        ("[phrases]", "details = 5\n[phrases]", "8: details: expected a table"),
        ("[phrases]", "thinking = []\n[phrases]", "8: thinking: expected at least 1 entry"),
        ("[phrases]", "speaking_fallback = [{endpoint={headers={a=1}}}]\n[phrases]",
         "8: speaking_fallback[0].endpoint.headers.a: expected text"),
        ("[phrases]", "[phrases", "8: not TOML: "),
        ("[phrases]", "[phrases]\n[phrases]", "9: not TOML: "),
        ('apology = "Sorry."', 'apology = """Sorry.', "10: not TOML: "),
        ('"You answer the phone."', '"' + "a" * 20_001 + '"', "5: prompt: expected at most 20000"),
        ("tools =", "filler_after_s = 1.0\ntools =", "6: filler_after_s: no such key; did you mean "
         "patience.filler_after_s?"),
    ],
)  # fmt: skip
def test_a_profile_that_is_wrong_is_refused_by_file_line_and_field(
    tmp_path, was: str, becomes: str, says: str
) -> None:
    complaints = refusal(tmp_path, GOOD.replace(was, becomes, 1))

    expected = f"lakeside.toml:{says}"
    assert any(complaint.startswith(expected) for complaint in complaints), complaints


@pytest.mark.parametrize(
    ("more", "line", "says"),
    [
        ("[listening]\neot_threshold = 2.0", "eot_threshold = 2.0",
         "listening.eot_threshold: expected ≤ 1.0"),
        ("[listening]\neot_timeout_ms = 5000.5", "eot_timeout_ms = 5000.5",
         "listening.eot_timeout_ms: expected a whole number"),
        ("[listening]\nmodel = 'flux-general-eng'", "model = 'flux-general-eng'",
         "listening.model: expected flux-general-en or flux-general-multi; "
         "did you mean flux-general-en?"),
        ("[listening]\neager_eot_threshold = 0.8", "eager_eot_threshold = 0.8",
         "listening.eager_eot_threshold: expected ≤ listening.eot_threshold"),
        ("[listening]\nlanguage_hints = ['en']", "language_hints = ['en']",
         "listening.language_hints: only with the model flux-general-multi"),
        ("[listening]\neager_eot_threshold = 0.7\n[spelling]\ncues=['spell']\neot_threshold = 0.6",
         "eot_threshold = 0.6", "spelling.eot_threshold: expected ≥ listening.eager_eot_threshold"),
        ("[spelling]\neot_threshold = 0.9", "[spelling]", "spelling.cues: missing"),
        ("[speaking]\nspeed = 9.0", "speed = 9.0", "speaking.speed: expected ≤ 1.5"),
        ("[speaking]\nspeed = 0.6", "speed = 0.6",
         "speaking.speed: expected 0.7 to 1.5 for aura-2-thalia-en"),
        ("[speaking]\nmodel = 'aura-2-celeste-es'\nspeed = 0.8", "speed = 0.8",
         "speaking.speed: expected 0.9 to 1.5 for aura-2-celeste-es"),
        ("[speaking]\nmodel = 'flux-kit-en'\nspeed = 0.63", "speed = 0.63",
         "speaking.speed: expected steps of 0.05 for Flux voices"),
        ("[speaking]\nmodel = 'thalia'", "model = 'thalia'",
         "speaking.model: expected a Deepgram voice like aura-2-thalia-en"),
        ("[speaking]\nexpressivity = 1", "expressivity = 1",
         "speaking.expressivity: only for Flux voices"),
        ("[voices.serious]\nexpressivity = 1", "expressivity = 1",
         "voices.serious.expressivity: only for Flux voices"),
        ("[voices.serious]\nspeed = 0.6", "speed = 0.6", "voices.serious.speed: expected 0.7"),
        ("[voices]\nserious_cues = ['crash']", "serious_cues = ['crash']",
         "voices.serious_cues: without [voices.serious] they change nothing"),
        ("[voices.loud]\nspeed = 1", "[voices.loud]", "voices.loud: no such key"),
        ("[patience]\nsecond_filler_after_s = 1.0", "second_filler_after_s = 1.0",
         "patience.second_filler_after_s: expected ≥ patience.filler_after_s"),
        ("[patience]\nstall_after_s = 2.5", "stall_after_s = 2.5",
         "patience.stall_after_s: expected > patience.agent_filler_after_s"),
        ("[patience]\nidle_after_s = 9", "idle_after_s = 9",
         "patience.idle_after_s: expected > patience.stall_after_s"),
        ("[patience]\nreconnect_within_s = 5", "reconnect_within_s = 5",
         "patience.reconnect_within_s: expected ≥ patience.agent_patience_s"),
        ("[patience]\ncover_after_s = 9\nreconnect_within_s = 8", "cover_after_s = 9",
         "patience.cover_after_s: expected < patience.reconnect_within_s"),
        ("[patience]\nfiller_after_s = nan", "filler_after_s = nan",
         "patience.filler_after_s: expected a finite number"),
        ("[patience]\nfiller_after_s = inf", "filler_after_s = inf",
         "patience.filler_after_s: expected a finite number"),
        ("[patience]\nfiller_after_s = '1'", "filler_after_s = '1'",
         "patience.filler_after_s: expected a number"),
        ("[patience]\nroll_over_after_s = 7100", "roll_over_after_s = 7100",
         "patience.roll_over_after_s: expected ≤ 6900"),
        ("[sound]\ngroup_ms = 30", "group_ms = 30", "sound.group_ms: expected a multiple of 20"),
        ("[sound]\nwideband = 1", "wideband = 1", "sound.wideband: expected true or false"),
        ("[barge_in]\nmode = 'gentle'", "mode = 'gentle'", "barge_in.mode: expected hard or soft"),
        ("[memory]\nwindow_tokens = 900\ntoken_budget = 800", "window_tokens = 900",
         "memory.window_tokens: expected ≤ memory.token_budget"),
        ("[details]\n'Full Name' = 'x'", "'Full Name' = 'x'",
         'details."Full Name": expected small letters, digits and underscores'),
        ("[pronunciation]\nA = 'a'\na = 'ɑ'", "a = 'ɑ'", "pronunciation.a: the same word as A"),
        ('[pronunciation]\nOkafor = "a\\"b"', 'Okafor = "a\\"b"',
         "pronunciation.Okafor: expected the word's sounds"),
        ("[pronunciation]\nOkafor = 'o'\n[speaking]\nmodel = 'flux-kit-en'",
         "model = 'flux-kit-en'", "speaking.model: expected, with a table [pronunciation]"),
        ("[pronunciation]\nOkafor = 'o'\n[voices.serious]\nmodel = 'aura-asteria-en'",
         "model = 'aura-asteria-en'", "voices.serious.model: expected, with a table"),
        ("[pronunciation]\nOkafor = 'o'\n[[speaking_fallback]]\nmodel = 'aura-2-lara-de'",
         "[[speaking_fallback]]", "speaking_fallback[0]: expected, with a table"),
        ("[[thinking]]\nprovider = 'abacus'", "provider = 'abacus'",
         "thinking[0].provider: expected open_ai, anthropic, google or groq"),
        ("[[thinking]]\nprovider = 'open_ai'", "[[thinking]]", "thinking[0].model: missing"),
        ("[[thinking]]\nprovider = 'anthropic'\nmodel = 'm'\ntemperature = 1.2",
         "temperature = 1.2", "thinking[0].temperature: expected ≤ 1.0 for anthropic"),
        ("[[thinking]]\nprovider = 'open_ai'\nmodel = 'm'\ntemperature = 2.2",
         "temperature = 2.2", "thinking[0].temperature: expected ≤ 2.0"),
        ("[[thinking]]\nprovider = 'anthropic'\nmodel = 'm'\nreasoning_mode = 'low'",
         "reasoning_mode = 'low'", "thinking[0].reasoning_mode: not for anthropic"),
        ("[[thinking]]\nprovider = 'open_ai'\nmodel = 'm'\nversion = 'v1beta'",
         "version = 'v1beta'", "thinking[0].version: not for open_ai"),
        ("[[thinking]]\nprovider = 'groq'\nmodel = 'm'", "provider = 'groq'",
         "thinking[0].provider: groq needs an endpoint"),
        ("[[thinking]]\nprovider = 'open_ai'\nmodel = 'm'\ncontext_length = 9000",
         "context_length = 9000", "thinking[0].context_length: only with an endpoint"),
        ("[[thinking]]\nprovider = 'google'\nmodel = 'm'\nendpoint.url = 'https://x.example'",
         "model = 'm'", "thinking[0].model: the endpoint's address names it"),
        ("[[thinking]]\nprovider = 'open_ai'\nmodel = 'm'\nendpoint.url = 'http://x.example'",
         "endpoint.url = 'http://x.example'", "thinking[0].endpoint.url: expected https://…"),
        ("[[thinking]]\nprovider = 'open_ai'\nmodel = 'm'\nendpoint.url = 'wss://x.example'",
         "endpoint.url = 'wss://x.example'", "thinking[0].endpoint: expected an address with http"),
        ("[[speaking_fallback]]\nprovider = 'eleven_labs'\nmodel = 'm'", "[[speaking_fallback]]",
         "speaking_fallback[0].endpoint: missing: eleven_labs needs it"),
        ("[[speaking_fallback]]\nprovider = 'cartesia'\nmodel = 'm'\nspeed = 1.0", "speed = 1.0",
         "speaking_fallback[0].speed: not for cartesia"),
        ("[[speaking_fallback]]\nmodel = 'sonic'", "model = 'sonic'",
         "speaking_fallback[0].model: expected a Deepgram voice"),
        ("[[speaking_fallback]]\nmodel = 'aura-2-mars-en'\nspeed = 0.5", "speed = 0.5",
         "speaking_fallback[0].speed: expected 0.7 to 1.5"),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_is_refused_by_its_line(
    tmp_path, more: str, line: str, says: str
) -> None:
    complaints = refusal(tmp_path, GOOD + more)

    expected = f"lakeside.toml:{lines_of(more)[line]}: {says}"
    assert any(complaint.startswith(expected) for complaint in complaints), complaints


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_lines(tmp_path) -> None:
    wrong = GOOD.replace('"lakeside"', '"Lake"').replace('"Hello."', "5") + "[sound]\nnoise = true"

    told = [complaint.split(": ")[1] for complaint in refusal(tmp_path, wrong)]

    assert told == ["id", "phrases.greeting", "sound.noise"]


def test_remembering_needs_names_of_what_to_remember(tmp_path) -> None:
    text = GOOD.replace('["find_slots"]', '["find_slots", "remember_details"]')

    assert refusal(tmp_path, text) == [
        "lakeside.toml:6: tools: remember_details needs a table [details] of what to remember"
    ]


def test_names_of_what_to_remember_need_the_tool(tmp_path) -> None:
    more = "[details]\nname = 'First and last name.'"

    (complaint,) = refusal(tmp_path, GOOD + more)

    assert complaint.startswith(f"lakeside.toml:{lines_of(more)['[details]']}: details: without")


def test_a_phrase_that_its_pronunciations_make_too_long_is_refused(tmp_path) -> None:
    filler = "Okafor " * 100
    more = f'fillers = ["{filler}"]\n[pronunciation]\nOkafor = "oʊˈkɑːfɔːr"'

    (complaint,) = refusal(tmp_path, GOOD + more)

    assert complaint.startswith("lakeside.toml:12: pronunciation: with it “Okafor")


def test_a_prompt_that_its_dictionary_makes_too_long_is_refused(tmp_path) -> None:
    words = "\n".join(f'word{place} = "wɜːrd"' for place in range(40))
    text = GOOD.replace("You answer", "x" * 19_000) + f"[pronunciation]\n{words}"

    (complaint,) = refusal(tmp_path, text)

    assert "at most 21000" in complaint


def test_a_file_that_is_no_text_is_refused(tmp_path) -> None:
    (tmp_path / "odd.toml").write_bytes(b"id = 'a'\n\xff\xfe\x00")

    with pytest.raises(BadConfiguration, match=r"odd\.toml:2: not UTF-8 text"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#" * (LONGEST_FILE + 1), "at most"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    ],
    ids=["long", "deep"],
)
def test_a_file_that_is_beyond_measure_is_refused(tmp_path, text: str, says: str) -> None:
    (complaint,) = refusal(tmp_path, text)

    assert says in complaint


def test_a_folder_without_profiles_is_refused(tmp_path) -> None:
    with pytest.raises(BadConfiguration, match="no profile"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("second", "field"),
    [
        (GOOD.replace('"+15550100300"', '"+15550100301"'), "1: id: lakeside"),
        (GOOD.replace('"lakeside"', '"seaside"'), r"3: numbers\[0\]: \+15550100300"),
    ],
    ids=["id", "number"],
)
def test_two_profiles_may_not_claim_the_same(tmp_path, second: str, field: str) -> None:
    with pytest.raises(BadConfiguration, match=rf"b\.toml:{field} is claimed by a\.toml too"):
        load(tmp_path, a=GOOD, b=second)


# --- keys of one's own models -------------------------------------------------------------------

OWN_MODEL = """
[[thinking]]
provider = "open_ai"
model = "house-model"
endpoint = { url = "https://llm.example/v1", headers = { authorization = "Bearer ${LLM_KEY}" } }
"""


def headers(profile: Profile) -> dict[str, Any]:
    endpoint = profile.thinking[0].endpoint
    assert endpoint is not None
    return endpoint.headers


def test_a_key_for_an_endpoint_comes_from_the_environment(tmp_path) -> None:
    profile = lakeside(tmp_path, OWN_MODEL, {"LLM_KEY": "k-123"})

    assert headers(profile) == {"authorization": "Bearer k-123"}


@pytest.mark.parametrize("environ", [{}, {"LLM_KEY": ""}], ids=["unset", "empty"])
def test_a_key_that_is_not_in_the_environment_is_named(tmp_path, environ: dict[str, str]) -> None:
    with pytest.raises(BadConfiguration) as refused:
        lakeside(tmp_path, OWN_MODEL, environ)

    line = lines_of(OWN_MODEL)['endpoint = { url = "https://llm.example/v1", headers = '
                               '{ authorization = "Bearer ${LLM_KEY}" } }']  # fmt: skip
    assert str(refused.value) == (
        f"lakeside.toml:{line}: thinking[0].endpoint.headers.authorization: "
        "LLM_KEY is not in the environment"
    )


def test_a_refusal_does_not_repeat_what_came_from_the_environment(tmp_path) -> None:
    with pytest.raises(BadConfiguration, match="authorization: expected") as refused:
        lakeside(tmp_path, OWN_MODEL, {"LLM_KEY": "k-123\nHost: elsewhere"})

    assert "k-123" not in str(refused.value)


def test_a_transfer_number_that_reaches_a_practice_here_is_refused(tmp_path) -> None:
    loops = GOOD.replace("time_zone", 'transfer_number = "+15550100301"\ntime_zone')
    other = GOOD.replace('"lakeside"', '"seaside"').replace("+15550100300", "+15550100301")

    with pytest.raises(BadConfiguration, match=r"a\.toml:4: transfer_number: "):
        load(tmp_path, a=loops, b=other)


def test_a_file_that_begins_with_a_byte_order_mark_is_read(tmp_path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    (tmp_path / "folder.toml").mkdir()

    assert load_profiles(tmp_path, known_tools=CATALOG).all()
