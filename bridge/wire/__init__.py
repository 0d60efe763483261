"""Every message of both protocols, in both directions, and the units of the sound they carry.

* ``twilio``: Media Streams messages. ``twiml``: the XML answers. ``signature``: who really asked.
* ``deepgram``: Voice Agent messages. ``overrides``: pronunciations inside a text to be spoken.
* ``mulaw``: 8 000 Hz, one byte a sample, 20 ms = 160 bytes; levels. ``pcm``: block arithmetic.
"""
