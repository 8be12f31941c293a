"""Intercom: conversations in workspaces, told by signed webhooks, read through the REST API."""
