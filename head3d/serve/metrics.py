"""Numbers for Prometheus: nothing in them tells who or what."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from head3d import __version__

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STATES = ("waiting", "running", "done", "dead", "cancelled")


class Metrics:
    """The counters of one server."""

    def __init__(self, *, workers: int, counts: Callable[[], Mapping[str, int]]) -> None:
        self._registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self._requests = Counter("head3d_requests", "Requests.", labels, registry=self._registry)
        buckets = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
        text = "Seconds from a request to the end of its answer."
        self._latency = Histogram("head3d_request_seconds", text, labels[:2], buckets=buckets, registry=self._registry)
        self._ended = Counter(
            "head3d_jobs_ended", "Jobs that are done or given up.", ["kind", "state"], registry=self._registry
        )
        buckets = (10, 30, 60, 120, 300, 600, 1800, 3600)
        self._seconds = Histogram(
            "head3d_job_seconds", "Seconds of a job.", ["kind"], buckets=buckets, registry=self._registry
        )
        Gauge("head3d_workers", "Jobs that run side by side.", registry=self._registry).set(workers)
        Gauge("head3d_info", "Version.", ["version"], registry=self._registry).labels(__version__).set(1)
        self._registry.register(_Queue(counts))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        method = method if method in METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        if not route.endswith("/events"):  # they last as long as the job
            self._latency.labels(method, route).observe(seconds)

    def job(self, kind: str, state: str, seconds: float) -> None:
        """Count a job that ended."""
        self._ended.labels(kind, state).inc()
        self._seconds.labels(kind).observe(seconds)

    def text(self) -> bytes:
        """What Prometheus reads."""
        return generate_latest(self._registry)


class _Queue(Collector):
    """Asks the ledger when Prometheus asks."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [GaugeMetricFamily("head3d_jobs", "Jobs by state.", labels=["state"])]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("head3d_jobs", "Jobs by state.", labels=["state"])
        counts = self._counts()
        for state in STATES:
            family.add_metric([state], counts.get(state, 0))
        yield family
