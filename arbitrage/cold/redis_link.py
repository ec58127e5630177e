"""The way to Redis: its address, TLS and version, and its refusals in words."""

from pathlib import Path
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.secret import Secret

__all__ = ["TIMEOUT_S", "TlsFiles", "make_client", "place_of", "reason_of", "require_version"]

TIMEOUT_S = 1.0
VERSION_MIN = 6


class TlsFiles(NamedTuple):
    """Files of a ``rediss://`` address, as paths; empty: none.

    Attributes
    ----------
    ca : str
        Certificates that the server's is checked against; empty: the system's.
    cert, key : str
        What we show the server, where it asks for it.
    """

    ca: str = ""
    cert: str = ""
    key: str = ""

    def options(self, url: Secret) -> dict[str, Any]:
        """Return the client's options for them.

        Raises
        ------
        ConfigError
            One is missing or cannot be read, or the address is not of TLS.
        """
        named = dict(zip(("CA", "CERT", "KEY"), self, strict=True))
        given = {f"REDIS_{word}_FILE": path for word, path in named.items() if path}
        if not url.reveal().startswith("rediss:"):
            if given:
                raise ConfigError(
                    f"{', '.join(given)} set, but REDIS_URL is not of TLS: begin it with rediss://"
                )
            return {}
        if bool(self.cert) != bool(self.key):
            raise ConfigError("REDIS_CERT_FILE and REDIS_KEY_FILE go together; one is not set")
        paths = {name: Path(path).expanduser() for name, path in given.items()}
        for name, path in paths.items():
            try:
                path.open("rb").close()
            except OSError as error:
                raise ConfigError(f"{name} {path} cannot be read: {error.strerror}") from None
        names = {
            "REDIS_CA_FILE": "ssl_ca_certs",
            "REDIS_CERT_FILE": "ssl_certfile",
            "REDIS_KEY_FILE": "ssl_keyfile",
        }
        found = {names[name]: str(path) for name, path in paths.items()}
        return {**found, "ssl_cert_reqs": "required", "ssl_check_hostname": True}


def make_client(url: Secret, name: str, tls: TlsFiles) -> "redis.Redis":
    """Return a client that waits a second at most and repeats nothing.

    Raises
    ------
    ConfigError
        The address or a file of it cannot be used.
    """
    options = tls.options(url)
    try:
        return redis.Redis.from_url(
            url.reveal(),
            decode_responses=True,
            protocol=2,  # no greeting that a user with few rights may not send
            client_name=f"arbitrage-mirror-{name}",
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # a transaction whose answer is missing is never repeated
            **options,
        )
    except (ValueError, TypeError):
        pass  # its text may hold a part of the password
    raise ConfigError(
        "REDIS_URL is no Redis address (value hidden, it may hold a password); accepted are "
        "redis://host:port/db, rediss://... and unix:///path"
    )


def place_of(client: "redis.Redis") -> str:
    """Return where Redis is, without user and password."""
    found = client.connection_pool.connection_kwargs
    return str(found.get("path") or f"{found.get('host', 'localhost')}:{found.get('port', 6379)}")


def require_version(client: "redis.Redis") -> str:
    """Return the server's version.

    Raises
    ------
    ArbitrageError
        It is older than we can write to.
    redis.RedisError
        It cannot be asked.
    """
    version = ""
    try:
        # of all commands that tell it, this is the one that no ACL forbids
        ask: Any = client.execute_command
        told = ask("HELLO", "2")
        found = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
        version = str(found.get("version", ""))
    except redis.ResponseError as error:
        if "unknown command" not in str(error).lower():
            raise
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) < VERSION_MIN:
        raise ArbitrageError(
            f"Redis at {place_of(client)} is {version or f'older than {VERSION_MIN}'}; "
            f"{VERSION_MIN} or newer is needed"
        )
    return version


def is_away(error: Exception) -> bool:
    """Whether a Redis may yet come: nothing refused us there, neither rights nor certificates."""
    refused = (redis.AuthenticationError, redis.exceptions.AuthorizationError)
    if isinstance(error, refused) or "SSL" in str(error):
        return False
    return isinstance(error, (redis.ConnectionError, redis.TimeoutError, OSError))


def reason_of(error: Exception) -> str:
    """Return why Redis did not do what it was asked, in words and without a secret."""
    # a pipeline puts the command before it, with what it was to write
    text = str(error).rpartition("caused error: ")[2].rstrip(".") or type(error).__name__
    if "NOAUTH" in text or isinstance(error, redis.AuthenticationError):
        return "it refused the user or password"
    if isinstance(error, redis.exceptions.NoPermissionError):
        return f"the user may do too little ({text}); docs/redis.md has the rights it needs"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"its certificate is not trusted ({text}); set REDIS_CA_FILE"
    if isinstance(error, redis.exceptions.ReadOnlyError):
        return "it is a replica that takes no writes; name the master"
    if isinstance(error, redis.exceptions.OutOfMemoryError):
        return "it is full: its maxmemory is reached and its policy keeps everything"
    return text
