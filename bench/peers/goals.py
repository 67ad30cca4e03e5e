"""What this module's figures are to come to, beside those of others in the same run."""

import math
from typing import NamedTuple

from peers.experiments import BESIDE, FULL_AT_LIMIT, RELAY
from peers.results import Results, named


class Goal(NamedTuple):
    figure: str
    ours: str
    bound: float
    # Whose figure the bound is a part of; if nobody's, it is a figure itself.
    other: str = ''
    at_least: bool = False
    # What is not of logins among what is counted.
    slack: float = 0.0

    def show(self) -> str:
        sign = '≥' if self.at_least else '≤'
        return f'{sign} {self.bound:.2f} of {self.other}' if self.other else f'{sign} {self.bound:g}'

    def value(self, come: Results) -> float:
        """What it came to; not a number if one of both cannot do it."""
        values = named(come, self.figure)
        ours = values[self.ours].median
        if not self.other:
            return ours
        other = values[self.other].median
        return ours / other if other else math.nan

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound + self.slack


LOGIN = 'CPU per login, plain, 16 clients'
CALLS = 'System calls per login, plain, 16 clients'
RATE, TLS_LOGIN = (f'{what}, TLS, full, 16 clients' for what in ('Logins per second', 'CPU per login'))

GOALS = [
    Goal(LOGIN, 'auth_http', 1.0, 'C'),
    Goal(LOGIN, 'kept', 0.8, 'C'),
    Goal(LOGIN, 'proxy_pass', 0.72, 'C'),
    Goal(LOGIN, 'proxy_pass', 0.42, 'Dovecot'),
    Goal(LOGIN, 'proxy_pass', 1.1, 'stream'),
    Goal(CALLS, 'kept', 27, slack=0.1),
    Goal(CALLS, 'proxy_pass', 24, slack=0.1),
    *(Goal(RATE, ours, 0.9, 'stream', at_least=True) for ours in ('auth_http', 'proxy_pass')),
    Goal('From the TLS handshake to the greeting', 'auth_http', 1.0, 'stream'),
    *(Goal(TLS_LOGIN, ours, 1.1, 'stream') for ours in ('auth_http', 'proxy_pass')),
    *(Goal(f'Memory per idle session, {kind}', 'auth_http', 1.0, 'C') for kind in ('plain', 'TLS')),
    *(Goal('Memory per relayed session, plain', ours, 1.1, 'C') for ours in ('auth_http', 'proxy_pass')),
    Goal(RELAY, 'auth_http', 2.0, 'C', at_least=True),
    Goal(FULL_AT_LIMIT, 'auth_http', 500, at_least=True),
    Goal(BESIDE, 'auth_http', 1.1),
]
