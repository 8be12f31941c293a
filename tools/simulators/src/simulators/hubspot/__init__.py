"""HubSpot: contacts, notes, tasks and deals as generic CRM objects with associations."""
