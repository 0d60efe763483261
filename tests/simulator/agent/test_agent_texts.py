"""``/2010-04-01/Accounts/{sid}/Messages.json``: texts as Twilio takes and lists them."""

import base64

import httpx
import pytest

from bridge.simulator.doors import Request
from bridge.simulator.messages import LEAVES_AFTER_S, Messages
from bridge.simulator.options import Options

ACCOUNT = f"AC{'a' * 32}"
URL = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
TEXT = {"To": "+15550100123", "From": "+15550100999", "Body": "Hello."}


@pytest.fixture
async def http(emulator):
    async with httpx.AsyncClient(base_url=emulator.http_url, auth=(ACCOUNT, "token")) as client:
        yield client


async def test_a_text_is_taken_as_twilio_answers_it(http):
    answer = await http.post(URL, data=TEXT)

    text = answer.json()
    assert answer.status_code == 201
    assert text["sid"].startswith("SM")
    assert (text["to"], text["from"], text["body"]) == tuple(TEXT.values())
    assert (text["status"], text["date_sent"], text["error_code"]) == ("queued", None, None)
    assert text["date_created"].endswith("+0000")
    assert text["uri"] == f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{text['sid']}.json"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"To": ""}, 21604),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"To": "5550100123"}, 21211),
        ({"To": "+15005550001"}, 21211),
        ({"From": "nobody"}, 21212),
        ({"Text": "Hello."}, 20001),
    ],
)
async def test_a_bad_text_is_refused_by_code(http, form, code):
    answer = await http.post(URL, data=TEXT | form)

    assert answer.status_code == 400
    assert answer.json().keys() == {"code", "message", "more_info", "status"}
    assert answer.json()["code"] == code


async def test_json_is_not_read(http):
    assert (await http.post(URL, json=TEXT)).json()["code"] == 21604


@pytest.mark.parametrize(
    "auth",
    [None, (ACCOUNT, ""), (f"AC{'b' * 32}", "token"), ("someone", "token")],
)
async def test_nobody_else_comes_in(emulator, auth):
    async with httpx.AsyncClient(base_url=emulator.http_url, auth=auth) as client:
        answer = await client.post(URL, data=TEXT)

    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


@pytest.mark.parametrize("header", ["", "Basic", "Basic %%%", "Bearer dG9rZW4="])
async def test_an_odd_authorization_is_none(emulator, header):
    async with httpx.AsyncClient(base_url=emulator.http_url) as client:
        answer = await client.get(URL, headers={"authorization": header})

    assert answer.status_code == 401


async def test_only_known_credentials_where_some_are_set(http):
    await http.put("/simulator/options", json={"twilio_credentials": "SKkey:secret"})

    assert (await http.post(URL, data=TEXT)).status_code == 401
    assert (await http.post(URL, data=TEXT, auth=("SKkey", "secret"))).status_code == 201


@pytest.mark.parametrize(
    ("fault", "status", "accepted"),
    [("busy", 429, 0), ("error", 500, 0), ("refused", 400, 0), ("error_after", 503, 1)],
)
async def test_a_fault_strikes_once(http, fault, status, accepted):
    await http.put("/simulator/options", json={"text_faults": [fault]})

    struck = await http.post(URL, data=TEXT)

    assert struck.status_code == status
    assert ("retry-after" in struck.headers) == (status == 429)
    assert len((await http.get("/simulator/texts")).json()["texts"]) == accepted
    assert (await http.post(URL, data=TEXT)).status_code == 201


@pytest.mark.parametrize(("fault", "accepted"), [("cut", 0), ("lost", 1), ("slow", 1)])
async def test_an_answer_may_be_lost(http, fault, accepted):
    options = {"text_faults": [fault], "text_delay_s": 30}
    await http.put("/simulator/options", json=options)

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadTimeout)):
        await http.post(URL, data=TEXT, timeout=0.3)

    texts = (await http.get("/simulator/texts")).json()["texts"]
    assert [text["body"] for text in texts] == ["Hello."] * accepted


async def test_texts_are_listed_the_newest_first_page_by_page(http):
    for number in range(5):
        await http.post(URL, data=TEXT | {"Body": str(number)})
    await http.post(URL, data=TEXT | {"To": "+15550100145"})
    bodies, uri = [], f"{URL}?To=%2B15550100123&From=%2B15550100999&PageSize=2"

    while uri:
        page = (await http.get(uri)).json()
        bodies += [text["body"] for text in page["messages"]]
        uri = page["next_page_uri"]

    assert bodies == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize("query", ["PageSize=0", "PageSize=x", "Sender=1"])
async def test_a_wrong_question_is_refused(http, query):
    assert (await http.get(f"{URL}?{query}")).status_code == 400


async def test_texts_can_only_be_sent_and_listed(http):
    assert (await http.delete(URL)).status_code == 405


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("DateSent=2026-11-22", 1),
        ("DateSent>=2026-11-22", 1),
        ("DateSent<=2026-11-22", 1),
        ("DateSent=2026-11-21", 0),
        ("DateSent>=2026-11-23", 0),
        ("DateSent<=2026-11-21", 0),
    ],
)
async def test_a_list_by_day_has_only_what_was_sent(query, found):
    now = 1795359600.0  # 2026-11-22 15:00 UTC
    messages = Messages(Options(), clock=lambda: now)
    headers = {
        "authorization": f"Basic {base64.b64encode(f'{ACCOUNT}:token'.encode()).decode()}",
        "content-type": "application/x-www-form-urlencoded",
    }
    form = b"To=%2B15550100123&From=%2B15550100999&Body=Hello"

    async def ask(method, query="", body=b""):
        answer = await messages.respond(
            Request(method=method, path=URL, query=query, headers=headers, body=body), ACCOUNT
        )
        return httpx.Response(200, content=answer.body).json()

    await ask("POST", body=form)
    queued = await ask("GET", query)
    now += LEAVES_AFTER_S
    sent = await ask("GET", query)

    assert (len(queued["messages"]), len(sent["messages"])) == (0, found)
