"""Delivery's core under a seeded world: `python -m delivery.simulation`.

Intake, attempts, judging, writing, probing, healing, undoing and the row's decisions are the real
code. PostgreSQL, settings, Intercom and the CRM are stand-ins in memory, on an event loop whose
time passes only when nobody has anything to do. A seed gives the same history every time. The judge
looks at the CRM's store and the reported outcomes only. Not part of the image.
"""
