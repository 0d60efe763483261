import pytest

from bridge.errors import BadConfiguration
from bridge.profile import PACKAGED, Profiles, load_profiles
from tests.bridge.practices import hillside, profiles_dir
from tools.catalog import CATALOG

GOOD = """
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


def load(folder, **files: str) -> Profiles:
    return load_profiles(profiles_dir(folder, **files), known_tools=CATALOG)


def test_the_packaged_profile_is_the_demo_practice() -> None:
    profiles = load_profiles(PACKAGED, known_tools=CATALOG)

    assert [profile.id for profile in profiles.all()] == ["hillside"]


def test_a_practice_is_found_by_number_and_by_id(tmp_path) -> None:
    profiles = load(tmp_path, lakeside=GOOD)

    assert profiles.of_number("+15550100300") is profiles.of_id("lakeside")
    assert profiles.of_number("+15550100399") is None
    assert profiles.of_id("hillside") is None


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('id = "lakeside"', 'id = "Lake Side"', "$.id"),
        ('"+15550100300"', '"555-0100"', "$.numbers[0]"),
        ('numbers = ["+15550100300"]', "numbers = []", "$.numbers"),
        ('"Europe/Zurich"', '"Europe/Atlantis"', "time_zone"),
        ('"Europe/Zurich"', '"../../etc/passwd"', "time_zone"),
        ('["find_slots"]', '["order_pizza"]', "tools: unknown order_pizza"),
        ('apology = "Sorry."', "", "apology"),
        ('greeting = "Hello."', 'greeting = ""', "$.phrases.greeting"),
        ('name = "Lakeside Dental"', "", "name"),
        ('name = "Lakeside Dental"', 'nmae = "Lakeside Dental"', "nmae"),
        ("[phrases]", "[listening]\neot_threshold = 2.0\n[phrases]", "$.listening.eot_threshold"),
        ("[phrases]", "[speaking]\nspeed = 9.0\n[phrases]", "$.speaking.speed"),
        ("[phrases]", '[[thinking]]\nprovider = "abacus"\n[phrases]', "$.thinking[0].provider"),
        ("[phrases]", "[phrases", "lakeside.toml"),
    ],
)
def test_a_profile_that_is_wrong_is_refused_by_file_and_field(
    tmp_path, was: str, becomes: str, says: str
) -> None:
    with pytest.raises(BadConfiguration) as refused:
        load(tmp_path, lakeside=GOOD.replace(was, becomes, 1))

    assert str(refused.value).startswith("lakeside.toml: ")
    assert says in str(refused.value)


def test_a_file_that_is_no_text_is_refused(tmp_path) -> None:
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BadConfiguration, match=r"odd\.toml"):
        load(tmp_path)


def test_a_folder_without_profiles_is_refused(tmp_path) -> None:
    with pytest.raises(BadConfiguration, match="no profile"):
        load(tmp_path)


@pytest.mark.parametrize(
    "second",
    [
        GOOD.replace('"+15550100300"', '"+15550100301"'),
        GOOD.replace('"lakeside"', '"seaside"'),
    ],
    ids=["id", "number"],
)
def test_two_profiles_may_not_claim_the_same(tmp_path, second: str) -> None:
    with pytest.raises(BadConfiguration, match=r"b\.toml: .* is claimed by a\.toml too"):
        load(tmp_path, a=GOOD, b=second)


def test_everything_worth_having_ready_is_among_the_cached_phrases() -> None:
    phrases = hillside().phrases

    assert set(hillside().cached_phrases) == {
        ("greeting", phrases.greeting),
        ("apology", phrases.apology),
        *(("filler", text) for text in phrases.fillers),
    }
