"""What a call decides: events in, commands out, time as an argument.

* ``session``: ``CallSession``, the table of contents of a call.
* ``events``, ``commands``: what may happen; what may be asked.
* ``conversation``: what must survive a bridge.
* ``turns``: who has the floor. ``playback``: what was sent against what was heard.
* ``functions``: function calls asked and not answered. ``fillers``: when to bridge the wait.
* ``timings``: stamps → latencies. ``recording``: events as bytes, to be replayed.
"""
