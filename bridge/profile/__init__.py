"""The practice a call is for, read from a TOML file each and checked at start.

* ``practice``: one practice, and all of a process by number and id.
* ``tables``: every key with unit, bounds and default. ``rules``: what must hold between keys.
* ``reading``: a text → a practice, or line and field of what is wrong. ``lines``: which line that
  is. ``folder``: every file of a folder.

What the agent is told of a practice is left to ``bridge.persona``.
"""

from bridge.profile.folder import PACKAGED, load_profiles
from bridge.profile.practice import CachedPhrase, Profile, Profiles
from bridge.profile.tables import Listening, Speaking, Thinking, Voice, Voices

__all__ = [
    "PACKAGED",
    "CachedPhrase",
    "Listening",
    "Profile",
    "Profiles",
    "Speaking",
    "Thinking",
    "Voice",
    "Voices",
    "load_profiles",
]
