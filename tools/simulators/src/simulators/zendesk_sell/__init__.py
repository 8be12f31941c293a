"""Zendesk Sell: contacts, leads, and plain-text notes on either, under a limit per token."""
