"""Salesloft: people, notes and tasks of a team, under a budget of points by the minute."""
