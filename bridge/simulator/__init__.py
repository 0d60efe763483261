"""A fake Twilio caller and a Voice Agent emulator: calls through the real doors, no account.

* ``scenario``: a call as data (``scenarios/*.toml``, ``steps``, ``templates``); ``expect``: what
  must come of it, and ``practices/*.toml``, which only scenarios dial. ``voices``: text to
  sound (``clips/``, ``synthesis``; ``render`` records them). ``ears``, ``likeness``: sound to text.
* ``agent``: the emulator's server. ``session``: one conversation (``client``, ``talk``,
  ``listening``, ``brain``, ``turn``, ``functions``, ``mouth``, ``formats``, ``updates``;
  ``strict/``: what it refuses). ``rules``: what it does. ``faults``: what goes wrong with it
  (``fate``, ``moments``, ``endings``). ``doors``, ``routes``, ``speech``, ``board``, ``options``:
  its HTTP side, and what is known of each call. ``messages``: Twilio's texts, on the same port.
* ``caller``: the fake Twilio. ``call``, ``person``, ``script``, ``line``, ``hearing``: who is on
  it. ``sayings``, ``sounds``, ``room``, ``microphone``: what she sounds like. ``webhook``,
  ``document``, ``handshake``, ``media_socket``, ``stream``, ``network``: its protocol. ``knobs``.
* ``load``: many calls at once. ``report``, ``figures``, ``floor``: what a call came to. ``wav``.
"""
