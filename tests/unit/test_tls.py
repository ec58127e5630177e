"""One TLS context for all connections, and none where the line is open."""

import ssl

import pytest

from arbitrage.venues.tls import context_for


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/v5", "http://127.0.0.1:1", "127.0.0.1"])
def test_an_open_line_needs_no_context(url: str) -> None:
    assert context_for(url) is None


def test_every_secure_connection_shares_one_strict_context() -> None:
    context = context_for("wss://stream.bybit.com/v5/public/linear")
    assert context is not None
    assert context is context_for("https://www.okx.com") is context_for("HTTPS://api.bybit.com")
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
