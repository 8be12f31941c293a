"""Pages for people: the CRMs' records, Intercom's conversations, and a box to write in."""
