"""What a call decides: events in, commands out, time as an argument.

* ``session``: ``CallSession``, the table of contents of a call.
* ``events``, ``commands``: what may happen; what may be asked.
* ``manners``: one practice's words and patience.
* ``conversation``: what must survive a bridge.
* ``turns``: who has the floor. ``hearing``: the caller's audio until the agent listens.
* ``speaking``: what goes to the caller's ear, made of ``playback`` (what was sent against what was
  heard) and ``replies`` (whose words that was).
* ``functions``: function calls asked and not answered. ``answers``: what the agent is told.
* ``quality``: the caller's line, measured; made of ``voice`` (is that one?), ``echo`` and
  ``verdict`` (is the line poor?). ``noise_gate``, ``volume``: the caller's sound, altered on wish.
* ``fillers``: when to bridge the wait.
* ``timings``: stamps → latencies. ``recording``: events as bytes, to be replayed.
"""
