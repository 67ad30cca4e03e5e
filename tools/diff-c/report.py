"""What is counted and printed."""

import collections

from compare import Point
from dialogue import Dialogue
from differences import DIFFERENCES
from play import Answer

SHOWN_FAILURES = 10
METHODS = ('plain', 'apop', 'cram-md5', 'external')


class Tally:
    def __init__(self, seed: int, show_all: bool) -> None:
        self.seed, self.show_all = seed, show_all
        self.dialogues = self.failed = self.lines = self.to_the_end = self.segments = 0
        self.auths: collections.Counter[str] = collections.Counter()
        self.logins: collections.Counter[str] = collections.Counter()
        self.seen: collections.Counter[str] = collections.Counter()

    def count(self, answers: list[Answer]) -> None:
        self.dialogues += 1
        self.lines += len(answers) - 1
        for answer in answers:
            for auth in answer.auths:
                method = dict(auth)['Auth-Method']
                self.auths[method] += 1
                self.logins[method] += answer.reply is not None and b'+OK welcome' in answer.reply

    def fail(self, dialogue: Dialogue, text: str) -> None:
        self.failed += 1
        if self.failed <= SHOWN_FAILURES:
            print(f'\nFAILED: {dialogue.name}, server {dialogue.server.name}, {dialogue.mode}')
            print(text)
            print(f'To see it again: tools/diff-c/run --seed {self.seed} --only {dialogue.name}')

    def show(self, dialogue: Dialogue, point: Point | None, ours: list[Answer]) -> None:
        """A dialogue that did not fail, if one was asked for."""
        if self.show_all:
            print(f'\n{dialogue.name}, server {dialogue.server.name}, {dialogue.mode}')
            print(describe(point) if point else describe_play(ours))

    def stale(self) -> None:
        """What nothing brings about any more: entries of the list, and logins."""
        for each in DIFFERENCES:
            if not self.seen[each.name]:
                print(f'FAILED: {each.name} of the list was never seen')
                self.failed += 1
        for method in METHODS:
            if not self.logins[method]:
                print(f'FAILED: nobody has logged in by {method}')
                self.failed += 1

    def report(self, seconds: float) -> None:
        if self.failed > SHOWN_FAILURES:
            print(f'\n... and {self.failed - SHOWN_FAILURES} failures more')
        print(f'\n{self.dialogues} dialogues with {self.lines} lines in {seconds:.0f} s')
        print('Requests to the auth server, and logins: ' + ', '.join(
            f'{method} {self.auths[method]}/{self.logins[method]}' for method in METHODS))
        print(f'{self.to_the_end} without a difference to the end, '
              f'{self.segments} of them in one segment as well')
        print(f'{self.seen.total()} with a wanted difference, where they end:')
        for each in DIFFERENCES:
            if self.seen[each.name] or not self.show_all:
                print(f'  {self.seen[each.name]:6} {each.name:14} {each.why}')


def show(answer: Answer) -> str:
    parts = ['no reply' if answer.reply is None else repr(answer.reply)[1:]]
    parts += ['closed'] * answer.closed
    parts += ['auth_http: ' + ', '.join(f'{name}={value}' for name, value in auth)
              for auth in answer.auths]
    parts += [f'backend: {line!r}' for line in answer.backend]
    return '; '.join(parts)


def describe_play(answers: list[Answer]) -> str:
    return '\n'.join(f'  {each.line!r}\n    {show(each)}' for each in answers)


def describe(point: Point) -> str:
    return '\n'.join([describe_play(point.before), f'  {point.sent!r} ({point.phase})',
                      f'    C:    {show(point.c)}', f'    ours: {show(point.ours)}'])
