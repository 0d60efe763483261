"""Arithmetic on linear samples: mixing, resampling, comparing.

Leaves how loud µ-law is, and µ-law to and from linear, to ``bridge.wire.mulaw``.
"""

from collections.abc import Sequence

from bridge.wire.pcm import audioop


def linear_rms(samples: bytes) -> int:
    """Root mean square of 16-bit samples."""
    return audioop.rms(samples, 2)


def louder(samples: bytes, factor: float) -> bytes:
    """16-bit samples times a factor, clipped at full scale."""
    return audioop.mul(samples, 2, factor)


def mixed(one: bytes, other: bytes) -> bytes:
    """Two pieces of 16-bit samples of one length heard together, clipped at full scale."""
    return audioop.add(one, other, 2)


def resampled(samples: bytes, from_hz: int, to_hz: int) -> bytes:
    """16-bit samples at another rate; filter first, this one aliases."""
    return audioop.ratecv(samples, 2, 1, from_hz, to_hz, None)[0]


def halves(stereo: bytes) -> tuple[bytes, bytes]:
    """16-bit samples parted in turns: those of even number, those of odd number."""
    return audioop.tomono(stereo, 2, 1, 0), audioop.tomono(stereo, 2, 0, 1)


def in_turns(even: bytes, odd: bytes) -> bytes:
    """16-bit samples of two tracks, one of each in turns."""
    return audioop.add(audioop.tostereo(even, 2, 1, 0), audioop.tostereo(odd, 2, 0, 1), 2)


def midpoints(samples: bytes, taps: Sequence[float]) -> bytes:
    """What lies between neighbouring 16-bit samples, by a symmetric filter of twice the taps.

    Of ``n`` samples come ``n - 2 * len(taps) + 1`` midpoints, the first of them between the
    samples number ``len(taps) - 1`` and ``len(taps)``. The taps fall away from the middle.
    """
    wide = audioop.lin2lin(samples, 2, 4)
    length = len(wide) - 4 * (2 * len(taps) - 1)
    found = bytes(length)
    for number, tap in enumerate(taps):
        before = 4 * (len(taps) - 1 - number)
        after = 4 * (len(taps) + number)
        # Halved, so that no sum on the way is clipped that the last one would not be.
        pair = audioop.add(
            audioop.mul(wide[before : before + length], 4, tap / 2),
            audioop.mul(wide[after : after + length], 4, tap / 2),
            4,
        )
        found = audioop.add(found, pair, 4)
    return audioop.lin2lin(audioop.mul(found, 4, 2), 4, 2)


def between(one: bytes, other: bytes) -> bytes:
    """The mean of two tracks of 16-bit samples."""
    return audioop.add(audioop.mul(one, 2, 0.5), audioop.mul(other, 2, 0.5), 2)


def loudness_and_edge(ulaw: bytes) -> tuple[int, int]:
    """The linear level of a piece, and that of what changes from each sample to the next."""
    samples = audioop.ulaw2lin(ulaw, 2)
    change = audioop.add(audioop.mul(samples[2:], 2, 0.5), audioop.mul(samples[:-2], 2, -0.5), 2)
    return audioop.rms(samples, 2), audioop.rms(change, 2)
