"""What the admin's tests lean on."""

import pytest

from bridge.profile import PACKAGED, Profile, load_profiles
from tools.catalog import CATALOG


@pytest.fixture(scope="session")
def hillside() -> Profile:
    """The demo practice's profile, as it ships."""
    found = load_profiles(PACKAGED, known_tools=CATALOG).of_id("hillside")
    assert found is not None
    return found
