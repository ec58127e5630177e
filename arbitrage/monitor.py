"""``arb monitor``, ``arb-monitor`` and ``python -m arbitrage.monitor``: page and metrics."""

from pathlib import Path

import click

from arbitrage.cli import run_command
from arbitrage.config import load_settings

__all__ = ["monitor"]

DEFAULT_PORT = 9090


@click.command()
@click.option(
    "--name",
    "names",
    multiple=True,
    help="Name of the trader's segment, again for each; default: ARB_NAME, arbitrage.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0: any.",
)
@click.option(
    "--write-grafana",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write Prometheus rules and a Grafana dashboard into DIR, and end.",
)
@click.option(
    "--force", is_flag=True, help="With --write-grafana: replace files that were changed there."
)
def monitor(names: tuple[str, ...], host: str, port: int, folder: Path | None, force: bool) -> int:
    """Serve a running trader's page, /metrics (Prometheus) and /health (JSON).

    \b
    It reads the trader's shared memory and cannot disturb it. It waits for a
    trader that does not run yet, and survives its restart; until then /health
    is 503 and says so. An address other than loopback needs ARB_MONITOR_TOKEN,
    which scrapers send as `Authorization: Bearer TOKEN` and a person types into
    the page's form. The page only shows; it can change nothing.
    """
    if folder is not None:
        from arbitrage.cold.grafana import write_grafana

        for path in write_grafana(folder, port or DEFAULT_PORT, force=force):
            click.echo(path)
        return 0
    if force:
        raise click.UsageError("--force goes with --write-grafana")
    from arbitrage.cold.log import setup_logging

    setup_logging("WARNING")
    for name in names:  # each is checked
        load_settings(overrides={"ARB_NAME": name}, needs_keys=False)
    settings = load_settings(needs_keys=False)
    setup_logging(settings.log_level, settings.log_format)

    from arbitrage.cold.monitor import serve
    from arbitrage.runtime.attach import attach

    return serve(names or (settings.name,), host, port, settings.monitor_token, attach)


if __name__ == "__main__":
    run_command(monitor, "python -m arbitrage.monitor")
