"""What each of Intercom's example notifications means, written down by hand."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from common.events import ConversationSettled, ConversationUpdated, Trigger
from ingest.domain.notification import TopicClass, Unusable, meaning_of

WORKSPACE = "wk9demo1"
CONVERSATION = "215470000000001"
NOTIFICATION = "notif_00000000-0000-4000-8000-0000000000"

# Entry of the examples -> class of its topic, and (updated_at, part_id) where it is an update.
EXPECTED: dict[str, tuple[str, tuple[int, int] | None]] = {
    "conversation.user.created": ("conversation", (1794999700, 0)),
    "conversation.user.replied": ("conversation", (1795000000, 9000)),
    "conversation.admin.replied": ("conversation", (1795000090, 9002)),
    "conversation.admin.replied (assign-and-reply, same part id as the next)": (
        "conversation",
        (1795000060, 9001),
    ),
    "conversation.admin.assigned": ("conversation", (1795000060, 9001)),
    "conversation.admin.assigned (to a team only)": ("conversation", None),
    "conversation.admin.single.created": ("conversation", (1794999700, 0)),
    "conversation.admin.closed": ("conversation", None),
    "conversation.admin.closed (close with reply text)": ("conversation", (1795000121, 9005)),
    "conversation.operator.replied": ("conversation", None),
    "conversation.deleted": ("removed", None),
    "contact.user.created": ("contact", None),
    "contact.lead.created": ("contact", None),
    "contact.lead.added_email": ("contact", None),
    "contact.merged": ("contact", None),
    "contact.deleted": ("contact", None),
    "ping": ("ping", None),
    "redelivery of 2": ("conversation", (1795000000, 9000)),
    "app-uninstalled": ("other", None),
    "canvas-kit-inbox-initialize": ("other", None),
    "canvas-kit-inbox-submit": ("other", None),
}


def test_every_example_is_a_case(examples: dict[str, Any]) -> None:
    assert examples.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_example_means_what_is_written_here(name: str, examples: dict[str, Any]) -> None:
    meaning = meaning_of(examples[name])
    topic, update = EXPECTED[name]
    assert meaning.topic == topic
    if topic == "removed":
        return
    if update is None:
        assert meaning.event is None
    else:
        updated_at, part_id = update
        assert meaning.event == ConversationUpdated(
            workspace_id=WORKSPACE,
            conversation_id=CONVERSATION,
            updated_at=datetime.fromtimestamp(updated_at, UTC),
            part_id=part_id,
        )
        assert meaning.event_id == examples[name]["id"]


def test_a_deleted_conversation_is_settled_as_removed(examples: dict[str, Any]) -> None:
    meaning = meaning_of(examples["conversation.deleted"])
    assert meaning.event == ConversationSettled(
        workspace_id=WORKSPACE,
        conversation_id=CONVERSATION,
        trigger=Trigger.REMOVED,
        action_id=f"{NOTIFICATION}11",
    )


@pytest.mark.parametrize(
    "item",
    [
        pytest.param({"type": "conversation", "id": CONVERSATION}, id="the conversation"),
        pytest.param(
            {"type": "conversation_part", "id": "9", "conversation_id": CONVERSATION},
            id="a part that names it",
        ),
        pytest.param(
            {"type": "conversation_part", "id": "9", "conversation": {"id": CONVERSATION}},
            id="a part that holds it",
        ),
        pytest.param({"type": "conversation", "id": int(CONVERSATION)}, id="its id as a number"),
    ],
)
def test_a_redacted_part_settles_its_conversation_as_removed(
    item: dict[str, Any], examples: dict[str, Any]
) -> None:
    notification = examples["conversation.deleted"] | {
        "topic": "conversation_part.redacted",
        "data": {"item": item},
    }
    event = meaning_of(notification).event
    assert isinstance(event, ConversationSettled)
    assert (event.trigger, event.conversation_id) == (Trigger.REMOVED, CONVERSATION)


def test_a_part_that_names_no_conversation_is_unusable(examples: dict[str, Any]) -> None:
    notification = examples["conversation.deleted"] | {
        "topic": "conversation_part.redacted",
        "data": {"item": {"type": "conversation_part", "id": "9"}},
    }
    with pytest.raises(Unusable):
        meaning_of(notification)


@pytest.mark.parametrize(
    "topic",
    ["conversation.read", "conversation.rating.added", "conversation.contact.attached"],
)
def test_a_topic_without_a_message_does_not_repeat_the_opening(
    topic: str, examples: dict[str, Any]
) -> None:
    opened = examples["conversation.user.created"] | {"topic": topic}
    assert meaning_of(opened).event is None
    replied = examples["conversation.user.replied"] | {"topic": topic}
    assert meaning_of(replied).event is not None  # a part decides, whatever the topic


def test_a_topic_never_seen_before_is_judged_by_the_table(examples: dict[str, Any]) -> None:
    notification = examples["conversation.user.replied"] | {"topic": "conversation.new.thing"}
    assert meaning_of(notification).event is not None


@pytest.mark.parametrize("topic", [None, 7, [], "", "ticket.created", "conversation"])
def test_any_other_topic_is_left_alone(topic: object, examples: dict[str, Any]) -> None:
    notification = examples["conversation.user.replied"] | {"topic": topic}
    assert meaning_of(notification).topic is TopicClass.OTHER
    assert meaning_of(notification).event is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("app_id",), None),
        (("app_id",), "a:b"),
        (("app_id",), "ws\ud800"),
        (("app_id",), "x" * 65),
        (("id",), "a b"),
        (("id",), "line\nbreak"),
        (("data",), None),
        (("data",), []),
        (("data", "item"), "conversation"),
        (("data", "item", "id"), "twelve"),
        (("data", "item", "id"), "9" * 21),
        (("data", "item", "id"), True),
        (("data", "item", "created_at"), None),
        (("data", "item", "created_at"), float("inf")),
        (("data", "item", "created_at"), -1),
        (("data", "item", "created_at"), 10**30),
        (("data", "item", "source"), "text"),
        (("data", "item", "source", "author"), "somebody"),
        (("data", "item", "conversation_parts"), [1]),
        (("data", "item", "conversation_parts", "conversation_parts"), {"a": 1}),
        (("data", "item", "conversation_parts", "conversation_parts"), [None]),
        (("data", "item", "conversation_parts", "conversation_parts", 0, "created_at"), "soon"),
    ],
)
def test_a_notification_of_another_shape_is_unusable(
    path: tuple[str | int, ...], value: object, examples: dict[str, Any]
) -> None:
    notification = deepcopy(examples["conversation.user.replied"])
    place: Any = notification
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(Unusable):
        meaning_of(notification)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("source",), None),
        (("source", "author"), None),
        (("source", "attachments"), None),
        (("conversation_parts",), None),
        (("conversation_parts", "conversation_parts"), None),
        (("id",), 215470000000001),
    ],
)
def test_null_where_intercom_may_write_it_is_no_fault(
    path: tuple[str, ...], value: object, examples: dict[str, Any]
) -> None:
    notification = deepcopy(examples["conversation.user.created"])
    place: Any = notification["data"]["item"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    meaning_of(notification)


def test_the_event_carries_no_word_of_the_conversation(examples: dict[str, Any]) -> None:
    notification = deepcopy(examples["conversation.user.replied"])
    part = notification["data"]["item"]["conversation_parts"]["conversation_parts"][0]
    part["body"] = part["author"]["name"] = part["author"]["email"] = "canary"
    event = meaning_of(notification).event
    assert event is not None
    assert b"canary" not in event.to_json()
