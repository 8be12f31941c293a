"""docs/asyncapi/<service>.yaml: what each service reads and writes, as FastStream describes it.

Which topics those are is said once, in deploy/access.yml, and `tests/tls` tries it on a broker;
what is on them is said by `common.events`. Records are read raw in the services, so that one that
nobody can use is set aside and not raised: their subscribers' own types would say nothing.
"""

from pathlib import Path
from typing import Any, Final

import yaml
from common import topics
from common.events import ConversationSettled, ConversationUpdated, DeliveryOutcome, SettingsChanged
from common.kafka import Place
from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI
from pydantic import BaseModel, create_model

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "docs" / "asyncapi"
ABOUT: Final = (
    "Made by `make docs`; do not edit. Ids and times only. Key: `workspace_id:conversation_id` "
    "(`settings.changed`: `workspace_id:app`). Headers: CloudEvents 1.0 attributes, binary mode."
)
LETTER: Final[dict[str, Any]] = {
    name: (kind, ...) for name, kind in {**Place.__annotations__, "reason": str}.items()
}
DeadLetter: Final[type[BaseModel]] = create_model(
    "DeadLetter",
    __doc__="Where a record lies that nobody could use, and why; not what is in it.",
    **LETTER,
)
EVENTS: Final[dict[str, type[BaseModel]]] = {
    topics.CONVERSATION_UPDATED: ConversationUpdated,
    topics.CONVERSATION_SETTLED: ConversationSettled,
    topics.SETTINGS_CHANGED: SettingsChanged,
    topics.DELIVERY_OUTCOME: DeliveryOutcome,
}


def files() -> dict[Path, str]:
    access = yaml.safe_load((ROOT / "deploy" / "access.yml").read_text())
    return {
        FOLDER / f"{service}.yaml": _document(service, may)
        for service, may in access.items()
        if may["reads"] or may["writes"]
    }


def _document(service: str, may: dict[str, Any]) -> str:
    broker = KafkaBroker("kafka:9093", logger=None)
    for topic in may["writes"]:
        kind = DeadLetter if topic.endswith(".dlt") else EVENTS[topic]
        broker.publisher(topic, title=topic, description=_meaning(kind), schema=kind)
    for topic in may["reads"]:
        _reads(broker, topic, EVENTS[topic])
    document = AsyncAPI(
        broker, title=service, version="1", description=ABOUT, schema_version="3.0.0"
    )
    found: dict[str, Any] = document.to_specification().to_jsonable()
    # FastStream keeps publishers in a set, whose order is another one each time.
    found["channels"], found["operations"] = (
        dict(sorted(found[part].items())) for part in ("channels", "operations")
    )
    found["components"] = {
        name: dict(sorted(part.items())) for name, part in found["components"].items()
    }
    return yaml.safe_dump(found, sort_keys=False, width=110, allow_unicode=True)


def _reads(broker: KafkaBroker, topic: str, kind: type[BaseModel]) -> None:
    async def read(event: BaseModel) -> None: ...

    read.__annotations__["event"] = kind
    broker.subscriber(topic, title=f"{topic}, read", description=_meaning(kind))(read)


def _meaning(kind: type[BaseModel]) -> str:
    return " ".join((kind.__doc__ or "").split())
