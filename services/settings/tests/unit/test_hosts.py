"""Addresses that a vendor's answer names: every trick to leave the allow-list is refused."""

import pytest
from settings.domain.hosts import HostNotAllowed, allowed_api_base

PIPEDRIVE = [".pipedrive.com"]


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("https://acme.pipedrive.com", "https://acme.pipedrive.com"),
        ("https://acme.pipedrive.com/", "https://acme.pipedrive.com"),
        ("https://ACME-2.Pipedrive.com", "https://acme-2.pipedrive.com"),
        ("https://a.b.pipedrive.com", "https://a.b.pipedrive.com"),
    ],
)
def test_a_company_host_is_allowed(address: str, base: str) -> None:
    assert allowed_api_base(address, PIPEDRIVE) == base


@pytest.mark.parametrize(
    "address",
    [
        "",
        "None",
        "acme.pipedrive.com",
        "//acme.pipedrive.com",
        "http://acme.pipedrive.com",
        "ftp://acme.pipedrive.com",
        "file:///etc/passwd",
        "gopher://acme.pipedrive.com",
        "https://pipedrive.com",
        "https://.pipedrive.com",
        "https://..pipedrive.com",
        "https://acme..pipedrive.com",
        "https://evilpipedrive.com",
        "https://pipedrive.com.evil.example",
        "https://acme.pipedrive.com.evil.example",
        "https://acme.pipedrive.com.",
        "https://acme.pipedrive.com:8443",
        "https://acme.pipedrive.com:443",
        "https://acme.pipedrive.com:x",
        "https://acme.pipedrive.com:99999",
        "https://acme.pipedrive.com/api",
        "https://acme.pipedrive.com//",
        "https://acme.pipedrive.com/../x",
        "https://acme.pipedrive.com?x",
        "https://acme.pipedrive.com#x",
        "https://acme.pipedrive.com#.pipedrive.com",
        "https://evil.example#.pipedrive.com",
        "https://evil.example?.pipedrive.com",
        "https://evil.example/.pipedrive.com",
        "https://evil.example\\.pipedrive.com",
        "https://evil.example%2f.pipedrive.com",
        "https://evil.example%00.pipedrive.com",
        "https://evil.example%23.pipedrive.com",
        "https://acme.pipedrive.com@evil.example",
        "https://user@acme.pipedrive.com",
        "https://user:pass@acme.pipedrive.com",
        "https://evil.example @acme.pipedrive.com",
        "https://acme.pipedrive.com\r\nHost: evil.example",
        "https://acme.pipedrive.com\t",
        " https://acme.pipedrive.com",
        "https://acme。pipedrive。com",
        "https://acme．pipedrive．com",
        "https://ａcme.pipedrive.com",
        "https://acme.pipedrive.com\u200b",
        "https://acme.p\u0131pedrive.com",
        "https://169.254.169.254",
        "https://169.254.169.254/latest/meta-data",
        "https://127.0.0.1",
        "https://0",
        "https://0x7f000001",
        "https://2130706433",
        "https://127.1",
        "https://0177.0.0.1",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://[::1].pipedrive.com",
        "https://[fe80::1%25eth0]",
        "https://localhost",
        "https://settings.internal",
        "https://kubernetes.default.svc",
        "https://a_b.pipedrive.com",
        "https://*.pipedrive.com",
        "https://a,b.pipedrive.com",
        "https://a;b.pipedrive.com",
        "javascript:alert(1)",
        "https:acme.pipedrive.com",
        "https:/acme.pipedrive.com",
        "https:///acme.pipedrive.com",
    ],
)
def test_whatever_is_not_plainly_a_company_host_is_refused(address: str) -> None:
    with pytest.raises(HostNotAllowed) as refused:
        allowed_api_base(address, PIPEDRIVE)
    assert str(refused.value) == ""  # hostile text is not repeated


def test_an_exact_host_may_have_scheme_port_and_path_but_no_neighbours() -> None:
    allowed = ["127.0.0.1"]
    base = "http://127.0.0.1:8090/pipedrive/acme"
    assert allowed_api_base(base, allowed) == base
    for other in ("http://127.0.0.2", "http://a.127.0.0.1", "file://127.0.0.1/x"):
        with pytest.raises(HostNotAllowed):
            allowed_api_base(other, allowed)
