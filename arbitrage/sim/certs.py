"""A throw-away certificate authority for ``--tls``, made with `trustme`."""

from __future__ import annotations

import fcntl
import os
import ssl
from pathlib import Path

from arbitrage.sim.config import SimError

CA_NAME = "ca.pem"
SERVER_NAME = "sim-server.pem"


def make_certs(folder: Path) -> Path:
    """Write ``ca.pem`` and the server's chain and key into ``folder``; keep what is there.

    Venue processes that start together share one authority: the first one writes, under a lock.
    """
    try:
        import trustme
    except ImportError as error:
        raise SimError("--tls needs the trustme package: pip install trustme") from error
    folder.mkdir(parents=True, exist_ok=True)
    server = folder / SERVER_NAME
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (server.is_file() and (folder / CA_NAME).is_file()):
            authority = trustme.CA(organization_name="arbitrage simulator")
            chain = authority.issue_cert("127.0.0.1", "localhost")
            authority.cert_pem.write_to_path(str(folder / CA_NAME))
            partial = server.with_suffix(".partial")
            with open(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as out:
                out.write(chain.private_key_and_cert_chain_pem.bytes())
            os.replace(partial, server)
    return server


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(make_certs(folder))
    return context
