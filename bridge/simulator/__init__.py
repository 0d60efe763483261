"""A fake Twilio caller and a Voice Agent emulator: calls through the real doors, no account.

* ``scenario``: a call as data (``scenarios/*.toml``). ``voices``: text to sound. ``ears``: back.
* ``agent``: the emulator's server; ``session``: one conversation with it; ``brain``: what it
  decides to say; ``mouth``, ``hearing``: how it speaks and listens; ``strictness``: what it
  refuses; ``doors``, ``speech``, ``announcements``: its HTTP side.
* ``caller``: the fake Twilio; ``load``: many of them; ``report``: stamps to figures.
"""
