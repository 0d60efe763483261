"""What a call decides: events in, commands out, time as an argument.

* ``session``: ``CallSession``, the table of contents of a call; ``parts``: what it is composed of.
* ``events``, ``commands``: what may happen; what may be asked.
* ``manners``: one practice's words and patience.
* ``conversation``: what must survive a bridge. ``details``, ``window``: what of it is remembered
  by name, and what word by word. ``deeds``: what was done. ``local``: tools of the call's own.
* ``upkeep``: the agent's line, kept up; made of ``agent_line`` (again, or given up?), ``troubles``
  (what its loss means), ``unanswered`` and ``thread`` (where the talk was broken off).
* ``silence``: what is said into one; made of ``patience`` (who owes a word) and ``fillers``.
* ``opening``, ``notice``, ``ending``: first words, the legal line, last words. ``leaving`` and
  ``farewell``: those of the agent. ``phrases``: our own words as their sound arrives.
* ``turns``: who has the floor. ``tuning``: how the agent listens and sounds.
* ``ear``: the caller's sound, made of ``quality`` (her line, measured: ``voice``, ``echo``,
  ``verdict``), ``noise_gate`` and ``volume`` (altered on wish), ``floor_gate`` (what may interrupt)
  and ``hearing`` (kept until the agent listens).
* ``speaking``: what goes to the caller's ear, made of ``playback`` (what was sent against what was
  heard) and ``replies`` (whose words that was).
* ``requests``: the agent's requests, from question to the caller's ear; made of ``asking``,
  ``functions`` (asked and not answered), ``answers`` (what the agent is told), ``told`` (what the
  caller heard of it), ``news`` (what is still to be said) and ``outage`` (tools that are away).
* ``timings``: stamps → latencies. ``recording``: events as bytes, to be replayed.
"""
