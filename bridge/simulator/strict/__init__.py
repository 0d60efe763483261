"""What the Voice Agent refuses in ``Settings`` and updates (deepgram-voice-agent.md 1.3, 2, 4).

Checked by hand on the raw JSON and not by ``wire``: what the bridge forgot to know about a field,
its own types would forget too.

* ``shapes``: the refusals, and checks of single values. ``accepted``: what settings come to.
* ``settings``, ``listen``, ``think``, ``speak``: the blocks. ``messages``: everything else.
"""
