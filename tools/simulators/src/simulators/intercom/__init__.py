"""Intercom: conversations in workspaces, told to us by signed webhooks, read through the REST API."""
