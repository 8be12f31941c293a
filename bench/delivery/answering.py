"""Intercom and HubSpot as one lean process: the vendors' formats, nothing kept but what is counted.

The simulators check, store and count far more than a benchmark needs, and would be what it
measures. Each answer comes `delay_ms` after its request; HubSpot's to the workspace `--sick`, and
whatever is asked of Pipedrive, after `--sick-ms`, or never. Started by the harness; on stdout it
says its port. `GET /_figures` tells of the notes made so far.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

import httptools
import uvloop

AGENT: Final = "5001"
SAID_AGO_S: Final = 3600  # long enough for any quiet period of a benchmark
_CONVERSATION = re.compile(rb"^/intercom/conversations/(\d+)")
_CONTACT = re.compile(rb"^/intercom/contacts/([0-9a-f]+)")
_PERSON = re.compile(rb"^/hubspot/crm/objects/2026-09/contacts/([^?]+)")
_NOTES = b"/hubspot/crm/objects/2026-09/notes"
_CREATED = re.compile(rb"^/hubspot/crm/objects/2026-09/(contacts|deals)$")
_PIPELINES = b"/hubspot/crm/pipelines/2026-09/deals"
_SICK_CRM = b"/pipedrive"
_STRANGER = b"new-"  # whose address begins so is in no CRM yet
# `[lull <workspace>/<conversation>]`, as it stands in every note.
_MARKER = re.compile(rb"\[lull [^/\]]+/(\d+)\]")
_RATES = (
    b"X-HubSpot-RateLimit-Max: 1000000\r\nX-HubSpot-RateLimit-Remaining: 999999\r\n"
    b"X-HubSpot-RateLimit-Interval-Milliseconds: 10000\r\n"
)

_FIRST_STAGE = (
    b'{"results":[{"id":"default","displayOrder":0,"stages":[{"id":"new","displayOrder":0}]}]}'
)
_OWNER = b'{"results":[{"id":"77","email":"sam@example.org","userId":9,"archived":false}]}'


class Notes:
    def __init__(self) -> None:
        self.made: dict[bytes, float] = {}  # conversation -> when its note arrived, Unix time
        self.doubled = 0
        self.records = 0  # what actions made
        self.requests = 0
        self.sick = 0  # of them, those that were answered late or never

    def make(self, body: bytes) -> int:
        found = _MARKER.search(body)
        if found is None:
            raise ValueError("a note without our marker")
        if found[1] in self.made:
            self.doubled += 1
        self.made[found[1]] = time.time()
        return len(self.made)

    def figures(self) -> bytes:
        used = time.process_time()
        made = {name.decode(): at for name, at in self.made.items()}
        figures = {
            "doubled": self.doubled,
            "records": self.records,
            "requests": self.requests,
            "sick": self.sick,
            "cpu_s": used,
            "made": made,
        }
        return json.dumps(figures).encode()


@dataclass(frozen=True, slots=True)
class Delays:
    every_s: float = 0.0
    sick: bytes = b""  # the end of its access token
    sick_s: float | None = None  # None: never


class Answering(asyncio.Protocol):
    def __init__(self, notes: Notes, delays: Delays) -> None:
        self._notes = notes
        self._delays = delays
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._url, self._body, self._sick = b"", b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._body, self._sick = b"", b"", False

    def on_header(self, name: bytes, value: bytes) -> None:
        sick = self._delays.sick
        if sick and name.lower() == b"authorization" and value.endswith(sick):
            self._sick = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._notes.requests += 1
        delay_s: float | None = self._delays.every_s
        if self._url.startswith((_SICK_CRM, b"/hubspot") if self._sick else _SICK_CRM):
            self._notes.sick += 1
            delay_s = self._delays.sick_s
        if delay_s is None:
            return
        if delay_s and not self._url.startswith(b"/_"):
            # Done when it is answered, so that a note's time is the one at which it is there.
            self._loop.call_later(delay_s, self._do, self._url, self._body)
        else:
            self._do(self._url, self._body)

    def _do(self, url: bytes, body: bytes) -> None:
        self._write(self._answer(url, body))

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)  # type: ignore[attr-defined]

    def _answer(self, url: bytes, body: bytes) -> bytes:
        if url == _NOTES:
            made = self._notes.make(body)
            return _response(b"201 Created", _note(made), _RATES)
        if found := _CONVERSATION.match(url):
            return _response(b"200 OK", _conversation(found[1]))
        if found := _CONTACT.match(url):
            return _response(b"200 OK", _contact(found[1]))
        if url == _PIPELINES:
            return _response(b"200 OK", _FIRST_STAGE, _RATES)
        if found := _CREATED.match(url):
            self._notes.records += 1
            return _response(b"201 Created", _note(self._notes.records), _RATES)
        if url == b"/hubspot/crm/objects/2026-09/contacts/search":
            return _response(b"200 OK", b'{"total":0,"results":[]}', _RATES)
        if (found := _PERSON.match(url)) and not found[1].startswith(_STRANGER):
            return _response(b"200 OK", _person(found[1]), _RATES)
        if url.startswith(b"/intercom/admins/"):
            return _response(b"200 OK", b'{"type":"admin","id":"5001","email":"sam@example.org"}')
        if url.startswith(b"/hubspot/crm/owners/2026-09"):
            return _response(b"200 OK", _OWNER, _RATES)
        if url == b"/_figures":
            return _response(b"200 OK", self._notes.figures())
        return _response(b"404 Not Found", b'{"status":"error","category":"OBJECT_NOT_FOUND"}')


def _response(status: bytes, body: bytes, headers: bytes = b"") -> bytes:
    return (
        b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nDate: %b\r\n%bContent-Length: %d\r\n\r\n"
        % (status, formatdate(usegmt=True).encode(), headers, len(body))
    ) + body


def _conversation(number: bytes) -> bytes:
    said_at = int(time.time()) - SAID_AGO_S
    customer = b'{"type":"user","id":"c%b","name":"Ada Example","email":"c%b@example.com"}' % (
        number,
        number,
    )
    agent = b'{"type":"admin","id":"5001","name":"Sam Agent","email":"sam@example.org"}'
    parts = b",".join(
        b'{"type":"conversation_part","id":"%d","part_type":"comment","body":"%b","created_at":%d,'
        b'"updated_at":%d,"author":%b,"attachments":[],"redacted":false}'
        % (
            number_of + 1,
            b"A reply of some length, as people write them when they have a question. " * 3,
            said_at + number_of - 5,
            said_at + number_of - 5,
            agent if number_of % 2 else customer,
        )
        for number_of in range(6)
    )
    return (
        b'{"type":"conversation","id":"%b","created_at":%d,"updated_at":%d,"source":{"type":'
        b'"conversation","id":"1","delivered_as":"customer_initiated","subject":"","body":'
        b'"Hello, how do I do this?","author":%b,"attachments":[],"redacted":false},"contacts":'
        b'{"type":"contact.list","contacts":[{"type":"contact","id":"c%b"}]},"admin_assignee_id":'
        b'5001,"team_assignee_id":null,"open":true,"state":"open","conversation_parts":{"type":'
        b'"conversation_part.list","conversation_parts":[%b],"total_count":6}}'
        % (number, said_at - 10, said_at, customer, number, parts)
    )


def _contact(contact_id: bytes) -> bytes:
    return (
        b'{"type":"contact","id":"%b","role":"user","email":"%b@example.com","phone":null,'
        b'"name":"Ada Example"}' % (contact_id, contact_id)
    )


def _person(email: bytes) -> bytes:
    number = re.sub(rb"\D", b"", email) or b"1"
    return b'{"id":"%b","properties":{"email":"x"},"archived":false}' % number


def _note(number: int) -> bytes:
    return b'{"id":"%d","properties":{},"archived":false}' % (number + 10**9)


async def serve(delays: Delays) -> None:
    notes = Notes()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(notes, delays), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until the harness lets go
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--sick", default="", help="a workspace")
    parser.add_argument("--sick-ms", type=float, help="never, if it is not given")
    given = parser.parse_args()
    sick_s = None if given.sick_ms is None else given.sick_ms / 1000
    uvloop.run(serve(Delays(given.delay_ms / 1000, given.sick.encode(), sick_s)))
