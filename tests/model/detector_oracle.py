"""What a detector must publish, in plain Python: dictionaries, floats and the formulas."""

LIVE = 2
NAN = float("nan")


def receipts(funding, wall_ns, horizon_ns):
    """What a short position receives until wall_ns + horizon_ns, in basis points."""
    if funding is None:
        return 0.0
    rate, hours, when = funding
    step, count = int(hours * 3.6e12), 0
    while when <= wall_ns:
        when += step
    while when <= wall_ns + horizon_ns:
        count, when = count + 1, when + step
    return rate * count * 1e4


class Oracle:
    def __init__(self, multipliers, takers, *, min_net, min_gross, max_age, wanted, horizon):
        self.multipliers, self.takers = multipliers, takers  # by venue: (px, qty), bps
        self.min_net, self.min_gross, self.max_age = min_net, min_gross, max_age
        self.wanted, self.horizon = wanted, horizon
        self.rows, self.funding, self.lives, self.opened = {}, {}, {}, 0

    def quote(self, venue, symbol, prices, now):
        self.rows[venue, symbol] = [LIVE, prices, now]
        return self.scan(symbol, now)

    def state(self, venue, symbol, state, now):
        row = self.rows.setdefault((venue, symbol), [0, (NAN,) * 4, 0])
        row[0] = state
        if state not in (LIVE, 3):
            row[1] = (NAN,) * 4
        return self.scan(symbol, now)

    def fund(self, venue, symbol, funding, now):
        self.funding[venue, symbol] = funding
        return self.scan(symbol, now)

    def judge(self, buy, sell, now, ask, bid, gross, net):
        """The first gate that fails, as the number of its close reason."""
        if buy[0] != LIVE or sell[0] != LIVE:
            return 3
        if not (ask > 0 and bid > 0):
            return 2
        if self.max_age and (now - buy[2] > self.max_age or now - sell[2] > self.max_age):
            return 4
        if not (net >= self.min_net and gross >= self.min_gross):
            return 1
        sizes = (buy[1][3] * self.multipliers[0][1], sell[1][2] * self.multipliers[1][1])
        return 5 if self.wanted and not all(q >= self.wanted / ask for q in sizes) else 0

    def scan(self, symbol, now):
        """Events of one moment: (event, id, buy venue, reason, ask, bid, gross, net, updates)."""
        made, unknown = [], [0, (NAN,) * 4, 0]
        for a, b in ((0, 1), (1, 0)):
            buy, sell = self.rows.get((a, symbol), unknown), self.rows.get((b, symbol), unknown)
            ask = buy[1][1] * self.multipliers[a][0]
            bid = sell[1][0] * self.multipliers[b][0]
            gross = (bid - ask) / ask * 1e4
            earned = receipts(self.funding.get((b, symbol)), now, self.horizon) - receipts(
                self.funding.get((a, symbol)), now, self.horizon
            )
            net = gross - 2.0 * (self.takers[a] + self.takers[b]) + earned
            quantities = {0: self.multipliers[a][1], 1: self.multipliers[b][1]}
            saved, self.multipliers = (
                self.multipliers,
                {0: (1.0, quantities[0]), 1: (1.0, quantities[1])},
            )
            reason = self.judge(buy, sell, now, ask, bid, gross, net)
            self.multipliers = saved
            life, quoted = self.lives.get((symbol, a)), (buy[1][1], sell[1][0])
            if life is None and reason == 0:
                self.opened += 1
                life = self.lives[symbol, a] = [self.opened, quoted, 0]
                event = 1
            elif life is None or (reason == 0 and life[1] == quoted):
                continue
            elif reason == 0:
                event, life[1], life[2] = 2, quoted, life[2] + 1
            else:
                event = 3
                del self.lives[symbol, a]
            made.append((event, life[0], a, reason, *quoted, gross, net, life[2]))
        return made
