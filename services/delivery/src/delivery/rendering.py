"""Our block for one attempt: rendered for its CRM, alone or within what people wrote around it."""

from dataclasses import dataclass

from delivery.domain import write
from delivery.domain.conversation import Conversation
from delivery.domain.note import Marker, Note
from delivery.domain.text import Size
from delivery.domain.transcript import render
from delivery.ports import Crm, GiveUp


@dataclass(frozen=True, slots=True)
class Rendering:
    crm: Crm
    conversation: Conversation
    link: str
    time_zone: str

    def note(self, period: int | None) -> Note:
        """As much of the conversation as the CRM takes. Raises GiveUp."""
        return self._rendered(period, self._limit)

    def within(self, stored: str, period: int | None) -> tuple[Note, write.Rewrite | None]:
        """The stored body with our block brought up to date; no rewrite where it is not ours."""
        note = self.note(period)
        rewrite = write.rewritten(stored, note.marker, note)
        if rewrite is not None and not Size.of(rewrite.body).fits(self._limit):
            # People's own text stays whole; ours is cut to what is left.
            theirs = Size.of(rewrite.body) - Size.of(note.body)
            note = self._rendered(period, self._limit - theirs)
            rewrite = write.rewritten(stored, note.marker, note)
        return note, rewrite

    @property
    def _limit(self) -> Size:
        crm = self.crm
        return Size(crm.note_max_chars, crm.note_max_bytes or crm.note_max_chars * 4)

    def _rendered(self, period: int | None, limit: Size) -> Note:
        try:
            return render(
                self.conversation,
                marker=Marker(self.conversation.workspace_id, self.conversation.id, period),
                link=self.link,
                time_zone=self.time_zone,
                copied_at=self.conversation.read_at,
                html=self.crm.html,
                max_chars=limit.chars,
                max_bytes=limit.octets,
            )
        except ValueError:
            raise GiveUp("no_room_in_note") from None
