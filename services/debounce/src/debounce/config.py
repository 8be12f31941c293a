"""Every variable of debounce."""

import socket

from common.config import KafkaConfig, QuietPeriodConfig, ServiceConfig
from pydantic import Field


class DebounceConfig(ServiceConfig, KafkaConfig, QuietPeriodConfig):
    debounce_host: str = Field(
        "127.0.0.1", description="Address of debounce's internal API; keep it internal."
    )
    debounce_port: int = Field(
        8081, ge=0, le=65_535, description="Port of debounce's internal API; 0 takes any free one."
    )
    debounce_health_port: int = Field(
        9081, ge=0, le=65_535, description="Port of health and metrics; 0 takes any free one."
    )
    debounce_instance_id: str = Field(
        default_factory=socket.gethostname,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="Name of this replica, the same after a restart (the pod's name); "
        "two replicas must not share one. Default: the host's name.",
    )
    debounce_session_timeout_s: float = Field(
        30.0,
        ge=1,
        le=1800,
        description="Seconds without a sign of life after which the brokers give this replica's "
        "partitions to others; within them a restarted replica finds its partitions again.",
    )
    debounce_stalled_after_s: float = Field(
        120.0,
        gt=1,
        description="Seconds without an answer from Kafka, or without partitions being assigned, "
        "after which /healthz is red.",
    )
