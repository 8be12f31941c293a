"""Fifteen quiet minutes: conversation.updated in, conversation.settled out."""
