"""Dynamics 365: Entra ID, the discovery of environments, and each one's Dataverse Web API."""
