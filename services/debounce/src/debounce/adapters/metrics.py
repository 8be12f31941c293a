"""Metrics, read off the partitions when Prometheus asks: the hot path pays nothing for them."""

from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from debounce.counts import DELAY_BUCKETS_S, Counts
from debounce.ports import PartitionFigures

_COUNTERS = {
    "settled": "Settled events acknowledged by Kafka",
    "repeats": "Updates that changed nothing: redelivered, or older than one before",
    "clamped": "Updates from the future, counted as of their append time",
    "ticks_asked": "Ticks appended",
    "ticks_read": "Ticks read back",
}


class PartitionMetrics(Collector):
    def __init__(self, figures: PartitionFigures) -> None:
        self._figures = figures

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        pending = _gauge("pending", "Conversations waiting for their quiet period to pass")
        in_flight = _gauge("in_flight", "Settled events and dead letters not yet on Kafka")
        lag = _gauge("read_lag", "Records of the log not yet read (committed lag means nothing)")
        for number, depth in self._figures.depths().items():
            labels = [str(number)]
            pending.add_metric(labels, depth.pending)
            in_flight.add_metric(labels, depth.in_flight)
            if depth.read_lag is not None:
                lag.add_metric(labels, depth.read_lag)
        yield from (pending, in_flight, lag)
        for name, help_text in _COUNTERS.items():
            counter = CounterMetricFamily(f"lull_debounce_{name}", help_text, labels=["partition"])
            for number, counts in self._figures.counts.items():
                counter.add_metric([str(number)], getattr(counts, name))
            yield counter
        yield self._delays()

    def _delays(self) -> HistogramMetricFamily:
        histogram = HistogramMetricFamily(
            "lull_debounce_settle_delay_seconds",
            "From due, by the log's time, to the settled event's acknowledgement",
            labels=["partition"],
        )
        for number, counts in self._figures.counts.items():
            histogram.add_metric([str(number)], _cumulative(counts), counts.delays_sum_s)
        return histogram


def _gauge(name: str, help_text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"lull_debounce_{name}", help_text, labels=["partition"])


def _cumulative(counts: Counts) -> list[tuple[str, float]]:
    buckets, total = [], 0
    for bound, count in zip((*DELAY_BUCKETS_S, "+Inf"), counts.delays, strict=True):
        total += count
        buckets.append((str(bound), float(total)))
    return buckets
