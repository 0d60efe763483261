"""Holds live calls: Twilio Media Streams on one side, the Voice Agent API on the other.

* ``call``: decides. Events in, commands out; no socket, no clock.
* ``driver``: acts. Feeds the call its events and performs what it commands.
* ``caller``, ``agent``: the two lines as typed messages. ``resampling``: the agent's at 16 kHz.
* ``line_gate``, ``admission``: no storm on a busy agent, and what new callers hear meanwhile.
* ``wire``: every message of both protocols, both directions.
* ``persona``, ``blocks``, ``profile``: what the agent is told, and the practice it speaks for.
* ``phrases``, ``shelf``, ``speech``, ``pronunciation``: cached audio, text to speech.
* ``store``, ``saver``: conversation state.
* ``app``, ``routes``, ``desk``, ``settings``, ``errors``: the process.
* ``ports``: what a call's driver needs of the world.
* ``simulator``: a fake Twilio and a fake Deepgram; nothing in here imports it.
"""
