"""OpenTelemetry traces: from webhook to debounce, and from the settled event to the CRM.

A trace is not carried through debounce's map and delivery's ledger: its ids follow from what both
keep anyway, the update or the event that is meant. So whoever has those can name the trace, a
pending conversation costs no byte more, and any replica may go on. `traceparent` travels in the
records' headers all the same, for others who read the topics.

Off unless an OTLP endpoint is set: OpenTelemetry is not even imported then, and `recorder` is None.
Spans hold ids only, never a URL, a text or a name (R11).
"""

import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple

from common.events import ConversationSettled, ConversationUpdated

STANDARD: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_CLOSE_WITHIN_S: Final = 2.0
TRACES_PATH: Final = "/v1/traces"
Kind = Literal["internal", "server", "client", "producer", "consumer"]
_NOTHING: Final[AbstractContextManager[None]] = nullcontext()


class Place(NamedTuple):
    """One span, as W3C Trace Context names it."""

    trace_id: int
    span_id: int

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


@dataclass(slots=True)
class Received:
    """A request under way.

    Its span is made when it ends: the trace is that of the update which it turns out to bring, or
    one of its own.
    """

    since_ns: int = field(default_factory=time.time_ns)
    place: Place | None = None

    def placed(self, trace_id: int | None = None) -> Place:
        """Where its span is; in this trace, if nothing has been told of it yet."""
        if self.place is None:
            self.place = Place(trace_id or _random_id(128), _random_id(64))
        return self.place


received: ContextVar[Received | None] = ContextVar("received", default=None)


def _random_id(bits: int) -> int:
    return random.getrandbits(bits) or 1


def place_of_update(conversation: bytes, updated_at: int, part_id: int) -> Place:
    """Of an update's publishing: `conversation` is the record's key, `updated_at` in seconds."""
    return _place(b"updated/%b/%d/%d" % (conversation, updated_at, part_id))


def place_of_settled(
    conversation: bytes,
    trigger: str,
    updated_at: int | None,
    part_id: int | None,
    action: str | None,
) -> Place:
    """Of a settled event's publishing; what tells it from others is what its trigger carries."""
    what = action if action is not None else f"{updated_at}/{part_id}"
    return _place(b"settled/%b/%b/%b" % (conversation, trigger.encode(), what.encode()))


def place_of(event: object) -> Place | None:
    """Of an event's publishing; None where it belongs to no trace of a conversation."""
    if isinstance(event, ConversationUpdated):
        return place_of_update(event.key(), int(event.updated_at.timestamp()), event.part_id)
    if isinstance(event, ConversationSettled):
        at = None if event.updated_at is None else int(event.updated_at.timestamp())
        return place_of_settled(event.key(), event.trigger, at, event.part_id, event.action_id)
    return None


def _place(what: bytes) -> Place:
    # Never zero, which both ids must not be.
    trace = int.from_bytes(blake2b(what, digest_size=16, person=b"trace").digest()) or 1
    span = int.from_bytes(blake2b(what, digest_size=8, person=b"span").digest()) or 1
    return Place(trace, span)


def ids_of(conversation: bytes) -> dict[str, str]:
    """The attributes that every span of a conversation has."""
    workspace, _, talk = conversation.decode().partition(":")
    return {"lull.workspace_id": workspace, "lull.conversation_id": talk}


class Recorder:
    """Makes spans and sends them away in the background, in batches."""

    def __init__(self, service: str, endpoint: str | None) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        class Ids(RandomIdGenerator):
            """A root's ids may be given; nothing waits between that and its start."""

            given: Place | None = None

            def generate_span_id(self) -> int:
                return self.given.span_id if self.given else super().generate_span_id()

            def generate_trace_id(self) -> int:
                return self.given.trace_id if self.given else super().generate_trace_id()

        self._ids = Ids()
        resource = Resource.create({"service.name": f"lull-{service}"})
        self._provider: TracerProvider = TracerProvider(
            id_generator=self._ids, resource=resource, shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint)  # None: as the standard variables say
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("lull")

    def close(self) -> None:
        """Send what is left, if that can be done soon: nobody waits for a collector to end."""
        last = threading.Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        last.join(_CLOSE_WITHIN_S)

    def noted(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Any],
        *,
        at: Place | None = None,
        parent: Place | None = None,
        link: Place | None = None,
        since_ns: int | None = None,
    ) -> None:
        """A span that ends now, and began at that Unix time or now as well."""
        self._start(name, kind, attributes, at, parent, link, since_ns).end()

    @contextmanager
    def span(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Any],
        *,
        at: Place | None = None,
        parent: Place | None = None,
        link: Place | None = None,
    ) -> Iterator[Any]:
        """A span as long as the block; what is called inside becomes its child.

        Args:
            name: what is done, the same for all conversations.
            kind: OpenTelemetry's.
            attributes: ids.
            at: the span's own place, else made up; without a parent its trace begins with it.
            parent: whose child it is, where that was elsewhere; else what runs around it.
            link: another trace that led to this one.

        """
        from opentelemetry import trace

        span = self._start(name, kind, attributes, at, parent, link)
        # An error's words may be a vendor's, and so a customer's.
        with trace.use_span(span, True, record_exception=False, set_status_on_exception=False):
            yield span

    def _start(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Any],
        at: Place | None,
        parent: Place | None,
        link: Place | None,
        since_ns: int | None = None,
    ) -> Any:
        from opentelemetry import trace
        from opentelemetry.context import Context

        context = None
        if parent is not None:
            around = trace.NonRecordingSpan(_context(parent, self._is_sampled(parent, name)))
            context = trace.set_span_in_context(around, Context())
        elif at is not None:
            context = Context()
        self._ids.given = at
        try:
            return self._tracer.start_span(
                name,
                context,
                trace.SpanKind[kind.upper()],
                attributes,
                [trace.Link(_context(link))] if link else None,
                since_ns,
            )
        finally:
            self._ids.given = None

    def _is_sampled(self, parent: Place, name: str) -> bool:
        """As its own process decided: by the trace's id, with the same sampler."""
        from opentelemetry.sdk.trace.sampling import Decision

        asked = self._provider.sampler.should_sample(None, parent.trace_id, name)
        return asked.decision is Decision.RECORD_AND_SAMPLE


def _context(place: Place, is_sampled: bool = True) -> Any:
    from opentelemetry import trace

    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if is_sampled else trace.TraceFlags.DEFAULT)
    return trace.SpanContext(place.trace_id, place.span_id, True, flags)


recorder: Recorder | None = None


def configure(service: str, endpoint: str | None) -> None:
    """Switch tracing on where there is an endpoint, LULL's own or OpenTelemetry's standard one."""
    global recorder
    if endpoint:
        recorder = Recorder(service, endpoint.rstrip("/") + TRACES_PATH)
    elif any(os.environ.get(name) for name in STANDARD):
        recorder = Recorder(service, None)


def close() -> None:
    """Send what is left; may be called where tracing is off."""
    if recorder is not None:
        recorder.close()


def publishing(event: object, source: str) -> AbstractContextManager[object]:
    """Around the publishing of an event, in the trace that its ids name.

    The request that brought it, if there is one, begins that trace.
    """
    place = None if recorder is None else place_of(event)
    if recorder is None or place is None:
        return _NOTHING
    assert isinstance(event, ConversationUpdated | ConversationSettled)  # noqa: S101 - it has a place
    attributes = {**ids_of(event.key()), "lull.source": source}
    request = received.get()
    around = request.placed(place.trace_id) if request else None
    # A request that had a trace before, as one with a call in it, is only linked.
    is_its = around is not None and around.trace_id == place.trace_id
    return recorder.span(
        f"{type(event).__name__} publish",
        "producer",
        attributes,
        at=place,
        parent=around if is_its else None,
        link=None if is_its else around,
    )


def calling(method: str, host: str | None) -> AbstractContextManager[Any]:
    """Around an HTTP call. No path and no query: addresses of people stand there."""
    if recorder is None:
        return _NOTHING
    attributes = {"http.request.method": method, "server.address": host or ""}
    request = received.get()
    return recorder.span(method, "client", attributes, parent=request.placed() if request else None)
