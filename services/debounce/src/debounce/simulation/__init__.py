"""The whole service under a seeded world: `python -m debounce.simulation`, or `make simulate`.

Everything but FastStream and aiokafka is the real code: handlers, partitions, rule, ticks. Kafka,
its group and all clocks are simulated, on an event loop whose time passes only when nobody has
anything to do. A seed gives the same history every time. Not part of the image.
"""
