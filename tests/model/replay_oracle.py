"""What a replay must find, in plain Python: json, float and a dictionary. No code of ours."""

import json

FIELDS = "event,id,symbol,buy_venue,sell_venue,recv_ns,ask_px,bid_px,gross_bps,net_bps"


def apply(frame, venue, books):
    """Bring books[venue, symbol] = {"a": price or None, "b": ...} up to date; name the symbol."""
    message = json.loads(frame)
    if venue == "okx":
        symbol = message["arg"]["instId"].removesuffix("-SWAP").replace("-", "")
        sides = {"a": message["data"][0]["asks"], "b": message["data"][0]["bids"]}
        snapshot = True
    else:
        symbol, sides = message["data"]["s"], message["data"]
        snapshot = message["type"] == "snapshot"
    if not snapshot and (venue, symbol) not in books:
        return None
    book = books.setdefault((venue, symbol), {"a": None, "b": None})
    for side, best in (("a", min), ("b", max)):
        levels = [float(level[0]) for level in sides[side] if float(level[1]) > 0]
        gone = [float(level[0]) for level in sides[side] if float(level[1]) == 0]
        if levels:
            book[side] = best(levels)
        elif snapshot or book[side] in gone:
            book[side] = None
    return symbol


def events(bybit_lines, okx_lines, min_net_bps, fees_bps):
    """Yield CSV rows for lists of (recv_ns, frame), each in file order."""
    merged = sorted(
        [(recv_ns, 0, place, "bybit", frame) for place, (recv_ns, frame) in enumerate(bybit_lines)]
        + [(recv_ns, 1, place, "okx", frame) for place, (recv_ns, frame) in enumerate(okx_lines)]
    )
    books, lives, opened = {}, {}, 0
    for recv_ns, _, _, venue, frame in merged:
        symbol = apply(frame, venue, books)
        for buy, sell in (("bybit", "okx"), ("okx", "bybit")):
            ask, bid = books.get((buy, symbol), {}).get("a"), books.get((sell, symbol), {}).get("b")
            key, known = (symbol, buy), ask is not None and bid is not None
            gross = (bid - ask) / ask * 1e4 if known else None
            net = gross - fees_bps if known else None
            life, good = lives.get(key), known and net >= min_net_bps
            if good and life is None:
                opened += 1
                life = lives[key] = [opened, None]
            if life is None or (good and life[1] == (ask, bid)):
                continue
            event = "CLOSE" if not good else "OPEN" if life[1] is None else "UPDATE"
            life[1] = (ask, bid)
            if not good:
                del lives[key]
            prices = ["" if price is None else repr(price) for price in (ask, bid)]
            edges = ["" if edge is None else f"{edge:.6f}" for edge in (gross, net)]
            edges = [edge.removeprefix("-") if edge == "-0.000000" else edge for edge in edges]
            yield ",".join([event, str(life[0]), symbol, buy, sell, str(recv_ns), *prices, *edges])


def csv(bybit_lines, okx_lines, min_net_bps, fees_bps):
    """Return the CSV bytes of a replay."""
    rows = [FIELDS, *events(bybit_lines, okx_lines, min_net_bps, fees_bps)]
    return ("\n".join(rows) + "\n").encode()
