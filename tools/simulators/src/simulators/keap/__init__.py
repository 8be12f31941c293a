"""Keap's REST v2: contacts, notes below their contact, tasks, opportunities; one shared quota."""
