"""What a parser does with tokens: look at them, take them, refuse them; bounded in depth and in operations."""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import ExpressionError
from engine.feel.lexer import Token, tokenize

MAXIMUM_DEPTH = 50
MAXIMUM_OPERATIONS = 150


class TokenReader:
    """The tokens of a text and a place among them.

    Args:
        source: The text.
        names: Names in scope that have more than one word; they are taken as one.
    """

    def __init__(self, source: str, names: Iterable[str] = ()) -> None:
        self.source = source
        self._tokens = tokenize(source)
        self._next = 0
        self._operations = 0
        self._names = sorted((_words(name) for name in names), key=len, reverse=True)
        self.depth = 0

    def peek(self, distance: int = 0) -> Token:
        """Return a token ahead, without taking it."""
        return self._tokens[min(self._next + distance, len(self._tokens) - 1)]

    def take(self) -> Token:
        """Return the next token, and go on behind it."""
        token = self._tokens[self._next]
        self._next += 1
        return token

    def take_if(self, kind: str) -> bool:
        """Take the next token if it is of that kind; return whether it was."""
        if self.peek().kind != kind:
            return False
        self._next += 1
        return True

    def expect(self, kind: str) -> Token:
        """Return the next token.

        Raises:
            ExpressionError: It is of another kind.
        """
        if self.peek().kind != kind:
            found = self.peek().text or "the end"
            raise self.refused(f"Expected {kind!r} but found {found!r}")
        return self.take()

    def expect_word(self, word: str) -> Token:
        """Return the next token, a name that has a meaning here.

        Raises:
            ExpressionError: It is something else.
        """
        if not self.is_word(word):
            raise self.refused(f"Expected {word!r}")
        return self.take()

    def is_word(self, word: str, distance: int = 0) -> bool:
        """Return whether a token ahead is that name."""
        token = self.peek(distance)
        return token.kind == "name" and token.text == word

    def take_name(self) -> str:
        """Return the name at this place, of one word or of several.

        Raises:
            ExpressionError: There is none.
        """
        for words in self._names:
            if self.reads(words):
                self._next += len(words)
                return " ".join(words)
        return self.expect("name").text

    def reads_known_name(self) -> bool:
        """Return whether a name of several words stands here."""
        return any(self.reads(words) for words in self._names)

    def reads(self, words: tuple[str, ...]) -> bool:
        """Return whether the tokens ahead are these."""
        return all(self.peek(distance).text == word for distance, word in enumerate(words))

    def skip(self, tokens: int) -> None:
        """Go on behind tokens that have been looked at."""
        self._next += tokens

    @property
    def place(self) -> int:
        """How many tokens have been taken."""
        return self._next

    def texts_since(self, place: int) -> set[str]:
        """Return what has been taken since a place."""
        return {token.text for token in self._tokens[place : self._next]}

    def go_deeper(self) -> None:
        """Count a level of nesting.

        Raises:
            ExpressionError: There are too many.
        """
        self.depth += 1
        if self.depth > MAXIMUM_DEPTH:
            raise self.refused("Expression nested too deeply")

    def count_operation(self) -> None:
        """Count an operation: a chain is a tree as deep as the chain is long, whatever the depth of parentheses.

        Raises:
            ExpressionError: There are too many.
        """
        self._operations += 1
        if self._operations > MAXIMUM_OPERATIONS:
            raise self.refused("Too many operations")

    def refused(self, reason: str, at: Token | None = None) -> ExpressionError:
        """Return the error that refuses the text, at the next token unless said otherwise."""
        position = (at or self.peek()).position
        return ExpressionError(source=self.source, position=position, reason=reason)


def _words(name: str) -> tuple[str, ...]:
    return tuple(token.text for token in tokenize(name)[:-1])
