"""Dialogues from a grammar, and the inputs of the corpus after small changes."""

import random
from base64 import b64encode
from typing import Callable

from dialogue import Dialogue, Digest, Line
from servers import SERVERS

NAMES = {b'ann': 40, b'ann@example.org': 8, b'ann b': 2, b'wrong': 25, b'locked': 4, b'gone': 4,
         b'later': 2, b'moved': 4, b'nopass': 2, b'noport': 1, b'noaddr': 1, b'nowhere': 1,
         b'rubbish': 1, b'silent': 1, b'baduser': 2, b'badpass': 3, b'stranger': 2,
         b'busy': 1, b'strange': 1, b'nothing': 1, b'otheruser': 1, b'folded': 1,
         'ann-jürgen'.encode(): 2, b'ann%40x+y&z': 2, b'ann\xff': 1, b'ann\t': 1, b'': 1}
PASSWORDS = {b'secret': 30, b'two words': 5, b'p%20q': 3, 'pässword'.encode(): 3, b'trailing ': 2,
             b'c4c9334bac560ecc979e58001b3e22fb': 3, b'*': 2, b'=': 1, b'\x01\x7f\t': 2,
             b' leading': 1, b'\xff\xfe': 1, b'': 1}
UNKNOWN = [b'STAT', b'LIST', b'RETR 1', b'DELE 1', b'RSET', b'TOP 1 2', b'UIDL', b'UTF8', b'LANG *',
           b'HELO x', b'GET / HTTP/1.1', b'', b' ', b'USE', b'USERS ann', b'N0OP', b'*', b'=']
SERVER_WEIGHTS = {'plain': 3, 'apop': 2, 'digests': 3, 'external': 2, 'all': 6, 'unlisted': 1,
                  'proxied': 3, 'proxied-words': 2,
                  'headers': 1, 'unix': 1, 'proxy-tcp4': 1, 'real-ip': 1, 'tls-client': 1,
                  'starttls': 2, 'tls-only': 1, 'limits': 2}
DAMAGE = [b'\0', b'\r', b'\t', b' ', b'\x7f', b'\xe9', b'a', b'']
# The C module's buffer: what is no longer has to be the same in one segment.
BUFFER = 128


class Grammar:
    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        # A dialogue is a well-behaved one, or one with more or less nonsense.
        self.nonsense = self.random.choice([0.0, 0.0, 0.02, 0.1])

    def odd(self, times: float = 1.0) -> bool:
        return self.random.random() < self.nonsense * times

    def pick(self, weights: dict):
        return self.random.choices([*weights], [*weights.values()])[0]

    def name(self) -> bytes:
        return self.pick(NAMES) if self.random.random() < 0.5 else \
            self.random.choice([b'ann', b'wrong'])

    def password(self) -> bytes:
        return self.pick(PASSWORDS)

    def case(self, word: bytes) -> bytes:
        if self.random.random() < 0.8:
            return word
        return bytes(ord(chr(c).lower()) if self.random.random() < 0.5 else c for c in word)

    def end(self) -> bytes:
        return b'\n' if self.random.random() < 0.05 else b'\r\n'

    def line(self, *words: bytes) -> bytes:
        return b' '.join(words) + self.end()

    def spaced(self, *words: bytes) -> bytes:
        """Where words may be parted by any number of spaces."""
        text = words[0]
        for word in words[1:]:
            text += b' ' * self.random.choice([1] * 9 + [2]) + word
        return text + self.random.choice([b''] * 9 + [b' ']) + self.end()

    def encoded(self, message: bytes) -> bytes:
        text = b64encode(message)
        if self.random.random() < 0.1:
            text = text.rstrip(b'=')
        if self.odd():
            at = self.random.randrange(len(text) + 1)
            text = text[:at] + self.random.choice([b'=', b' ', b'!', b'A', b'==']) + text[at:]
        return b'*' if self.odd() else text

    def sasl(self, mechanism: bytes, first: bytes, *rest: bytes) -> list[Line]:
        text = self.encoded(first)
        if self.random.random() < 0.5 and text:
            lines = [self.spaced(b'AUTH', self.case(mechanism), text)]
        else:
            lines = [self.spaced(b'AUTH', self.case(mechanism)), text + self.end()]
        return lines + [self.encoded(message) + self.end() for message in rest]

    def user_pass(self) -> list[Line]:
        between = self.step() if self.random.random() < 0.1 else []
        return [self.line(self.case(b'USER'), self.name()), *between,
                self.line(self.case(b'PASS'), self.password())]

    def plain(self) -> list[Line]:
        name = self.name()
        identity = b'zoe' if self.odd() else self.random.choice([b'', b'', name])
        parts = [identity, name, self.password()]
        if self.odd():
            parts.insert(self.random.randrange(4), self.random.choice([b'', b'x']))
        return self.sasl(b'PLAIN', b'\0'.join(parts))

    def login(self) -> list[Line]:
        return self.sasl(b'LOGIN', self.name(), self.password())

    def external(self) -> list[Line]:
        if self.random.random() < 0.1:
            return self.random.choice([[self.line(b'AUTH EXTERNAL =')],
                                       [self.line(b'AUTH EXTERNAL'), self.end()]])
        return self.sasl(b'EXTERNAL', self.name())

    def spoil(self) -> Callable[[bytes], bytes]:
        if not self.odd():
            return bytes.upper if self.random.random() < 0.1 else bytes
        return self.random.choice([lambda digest: digest[1:], lambda digest: digest + b'0',
                                   lambda digest: b'g' + digest[1:], lambda digest: b''])

    def apop(self) -> list[Line]:
        return [Digest('apop', self.name(), self.password(), self.spoil(), self.case(b'APOP'),
                       self.end())]

    def cram(self) -> list[Line]:
        first = self.spaced(b'AUTH', self.case(b'CRAM-MD5'))
        if self.odd():
            return [first, self.encoded(self.name()) + self.end()]
        return [first, Digest('cram-md5', self.name(), self.password(), self.spoil(),
                              end=self.end())]

    def harmless(self) -> list[Line]:
        return [self.spaced(self.case(self.random.choice([b'NOOP', b'CAPA', b'AUTH'])))]

    def invalid(self) -> list[Line]:
        command = self.random.choice(
            [*UNKNOWN, b'STLS', b'PASS ' + self.password(), b'APOP ' + self.name(), b'USER',
             b'AUTH NTLM', b'AUTH XOAUTH2 x', b'AUTH PLAIN a b', b'AUTH CRAM-MD5 x', b'PASS'])
        return [self.line(command)]

    def step(self) -> list[Line]:
        return self.random.choices(
            [self.user_pass, self.plain, self.login, self.external, self.apop, self.cram,
             self.harmless, self.invalid], [5, 4, 4, 2, 3, 3, 4, 3])[0]()

    def damage(self, lines: list[Line]) -> list[Line]:
        """Small changes to some lines, and to their order."""
        for _ in range(self.random.randint(1, 3)):
            at = self.random.randrange(len(lines))
            line = lines[at]
            match self.random.randrange(6):
                case 0:
                    del lines[at]
                case 1:
                    lines.insert(self.random.randrange(len(lines)), line)
                case 2 if isinstance(line, bytes):
                    lines[at] = line[:-2] + self.random.choice([b' ', b' a b', b'\r']) + line[-2:]
                case 3 if isinstance(line, bytes) and len(line) < 40 and self.odd():
                    lines[at] = line[:-2] + b' ' + b'x' * self.random.randint(60, 200) + line[-2:]
                case _ if isinstance(line, bytes):
                    cut = self.random.randrange(len(line))
                    piece = self.random.choice(DAMAGE)
                    lines[at] = line[:cut] + piece + line[cut + self.random.randrange(2):]
                    # A line that has lost its end is no line.
                    if not lines[at].endswith(b'\n'):
                        lines[at] += b'\n'
            if not lines:
                break
        return lines

    def dialogue(self, name: str) -> Dialogue:
        lines: list[Line] = []
        if self.odd():
            lines += [self.line(b'GET / HTTP/1.1')]
        for _ in range(self.random.choice([1, 1, 2, 2, 3, 4, 6])):
            lines += self.step()
        lines += [self.line(self.case(word)) for word in self.random.sample(UNKNOWN, 2)]
        if self.odd(3):
            lines = self.damage(lines)
        return Dialogue(name, SERVERS[self.pick(SERVER_WEIGHTS)], tuple(lines))


def from_grammar(seed: int, number: int) -> Dialogue:
    return Grammar(f'grammar {seed} {number}').dialogue(f'grammar:{number}')


def from_corpus(seed: int, number: int, corpus: list[Dialogue]) -> Dialogue:
    """Lines of one input or two, with small changes."""
    grammar = Grammar(f'corpus {seed} {number}')
    first, second = grammar.random.choices(corpus, k=2)
    lines = [*first.lines, *second.lines]
    if lines:
        lines = lines[:grammar.random.randint(1, len(lines))][-24:]
        lines = grammar.damage(lines)
    return Dialogue(f'changed:{number}', first.server, tuple(lines))


def one_segment(dialogue: Dialogue) -> Dialogue | None:
    """The same in one segment, if the C module can answer it so: in one
    buffer, and without what depends on the challenge or ends in TLS."""
    lines = dialogue.lines + (b'QUIT\r\n',)
    if any(isinstance(line, Digest) or line[:4].upper() == b'STLS' for line in lines):
        return None
    if sum(map(len, lines)) >= BUFFER:
        return None
    return Dialogue(dialogue.name, dialogue.server, lines, 'segment')
