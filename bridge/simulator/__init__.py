"""A fake Twilio caller and a Voice Agent emulator: calls through the real doors, no account.

* ``scenario``: a call as data (``scenarios/*.toml``, ``templates``). ``voices``: text to sound
  (``clips/``, ``synthesis``; ``render`` records the clips). ``ears``: sound to text. ``levels``.
* ``agent``: the emulator's server. ``session``: one conversation (``client``, ``listening``,
  ``brain``, ``turn``, ``functions``, ``mouth``, ``fate``; ``strict/``: what it refuses). ``doors``,
  ``routes``, ``speech``, ``board``, ``options``: its HTTP side, and what is known of each call.
* ``caller``: the fake Twilio. ``call``, ``person``, ``script``, ``line``, ``microphone``,
  ``hearing``: who is on it. ``webhook``, ``document``, ``media_socket``, ``stream``: its protocol.
* ``load``: many calls at once. ``report``: stamps to figures. ``wav``: a call as a file.
"""
