"""Which addresses of services may be called, in whatever form they are written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.http.outward import forbidden_address, forbidden_host, outward_url


@pytest.mark.parametrize(
    ("text", "origin", "prefix"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com", "/v1"),
        ("https://api.openai.com:443/v1/", "https://api.openai.com", "/v1"),
        ("HTTP://Example.COM", "http://example.com", ""),
        ("http://example.com.:80/", "http://example.com", ""),
        ("http://10.0.0.7:8000/v1", "http://10.0.0.7:8000", "/v1"),
        ("http://[fd12::7]:8000", "http://[fd12::7]:8000", ""),
        ("http://localhost:11434", "http://localhost:11434", ""),
    ],
)
def test_addresses_that_may_be_called(text: str, origin: str, prefix: str) -> None:
    url = outward_url(text)
    assert (url.origin, url.prefix) == (origin, prefix)
    assert outward_url(str(url)) == url


@pytest.mark.parametrize(
    "text",
    [
        "", "api.openai.com", "ftp://example.com", "file:///etc/passwd", "unix:///run/x", "http://", "http:///v1", "//example.com",
        "http://user:secret@example.com", "http://user@example.com", "http://example.com/?a=1", "http://example.com/#a", "http://example.com?",
        "http://example.com:0", "http://example.com:99999", "http://example.com:x", "http://exa mple.com", "http://example.com\\@evil.com",
        "http://example.com\r\nHost: x", "http://example.com/\x00", "http://example.com/../x", "http://ex\u00e4mple.com", "http://x/" + "a" * 2000,
        "http://169.254.169.254/latest", "http://169.254.0.1", "http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/", "http://[fd00:ec2::254]/", "http://100.100.100.200/",
        "http://metadata.google.internal/", "http://METADATA.google.internal./", "http://0.0.0.0:80", "http://[::]:80", "http://224.0.0.1",
        "http://255.255.255.255", "http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376", "http://169.254.43518", "http://127.1",
    ],
)  # fmt: skip
def test_addresses_that_may_not_be_called_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|must|names)") as refused:
        outward_url(text)
    assert "secret" not in str(refused.value)


@given(st.ip_addresses(v=4))
def test_no_form_of_an_address_hides_what_it_is(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    wrapped = [
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
    ]
    for one in wrapped:
        assert forbidden_address(one) == forbidden_address(address), one
    assert forbidden_host(str(address)) == forbidden_address(address)
    assert (forbidden_address(address) is not None) >= address.is_link_local


@given(st.text(max_size=60) | st.from_regex(r"https?://[^\s]{0,30}", fullmatch=True))
def test_anything_at_all_is_an_address_or_is_refused(text: str) -> None:
    try:
        url = outward_url(text)
    except ValueError:
        return
    assert outward_url(str(url)) == url
    assert "@" not in url.host
    assert url.prefix == "" or url.prefix.startswith("/")
