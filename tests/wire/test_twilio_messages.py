"""Media Streams messages: what the goldens do not say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.wire import twilio
from bridge.wire.reading import Malformed

SIDS = st.text("abcdefABCDEF0123456789_-MZ", min_size=1, max_size=64)


@given(sid=SIDS, payload=st.binary(max_size=400))
def test_the_short_way_of_writing_media_writes_the_same_text(sid, payload) -> None:
    message = twilio.SendMedia(stream_sid=sid, media=twilio.SendMediaBody(payload=payload))

    assert twilio.media_text(sid, payload) == twilio.encode(message)


@given(payload=st.binary(max_size=400), sequence=st.integers(1, 2**40))
def test_caller_audio_survives_the_wire_whatever_its_length(payload, sequence) -> None:
    sent = twilio.Media(
        stream_sid="MZ1",
        media=twilio.MediaBody(payload=payload, timestamp=155, chunk=1),
        sequence_number=sequence,
    )

    assert twilio.from_twilio.read(twilio.encode(sent)) == sent


@pytest.mark.parametrize("field", ["streamSid", "callSid", "accountSid"])
@pytest.mark.parametrize("sid", ["", "MZ 1", 'MZ"', "MZ\n", "MZ:1", "é", "x" * 65])
def test_a_stream_starts_only_with_plain_sids(field, sid) -> None:
    body = {
        "accountSid": "AC1",
        "streamSid": "MZ1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        field: sid,
    }
    frame = {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": body}

    with pytest.raises(Malformed, match=rf"^start: .*`\$\.start\.{field}`$"):
        twilio.from_twilio.read(json.dumps(frame))
