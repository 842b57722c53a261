"""A formula as text: which names and calls it may hold, and what it says before any data are seen.

Formulas are in the language of bambi (Wilkinson's notation). The library that reads them looks
names up in Python and calls what it finds, so that nothing reaches it before every word of the
text was found in a closed list: no attribute, no index, no quotation, no call but those below.
What a reader of the cube needs beyond that language is written for it here: `factor(year)` becomes
the word ``year_factor``, and `lag(x)` the word ``x_year_before``, which `formula_data` resolves.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from data_prep.indicators import INDICATORS, MEASURES

# Names that stand for an indicator, because readers use them.
ALIASES = {"timeliness": "ia_10_days_share", "population": "population_0_17"}
PLACES = ("la", "region", "la_type")
SCORES = ("imd", "idaci")
YEAR, YEAR_FACTOR, YEAR_BEFORE = "year", "year_factor", "_year_before"
COUNTS = tuple(name for name, measure in MEASURES.items() if measure.is_count)
# The response of the numbers of cases among a whole: p(part, whole).
PARTS = ("p", "prop", "proportion")
TRANSFORMS = ("log", "exp", "sqrt", "scale", "standardize", "center", "I", "poly", "bs")
FACTORS = ("C", "factor")
TWO = (*PARTS, "poly", "bs")
CALLS = (*PARTS, *TRANSFORMS, *FACTORS, "lag", "offset")
GROUPS = ("la", "region", "la_type", YEAR_FACTOR)

_EXAMPLES = {
    **{name: f"{name}(rereferrals, referrals)" for name in PARTS},
    **{name: f"{name}(imd)" for name in TRANSFORMS},
    **{name: f"{name}(region)" for name in FACTORS},
    "lag": "lag(timeliness)",
    "offset": "offset(log(population))",
    "poly": "poly(year, 2)",
    "bs": "bs(year, 4)",
}

# Bounds that no useful formula meets: beyond them, reading it could take for ever.
LONGEST = 400
DEEPEST = 8
MOST_CROSSED = 4
MOST_TERMS = 30
LARGEST_POWER = 3
LARGEST_NUMBER = 20

_ALLOWED = {
    "IDENTIFIER",
    "NUMBER",
    "LEFT_PAREN",
    "RIGHT_PAREN",
    "COMMA",
    "PLUS",
    "MINUS",
    "STAR",
    "STAR_STAR",
    "SLASH",
    "COLON",
    "PIPE",
    "TILDE",
    "EOF",
}


@dataclass(frozen=True)
class Group:
    """Effects that vary over groups: of ``term`` (None: the level) over the levels of ``factor``.

    ``name`` is bambi's, as in ``1|la``; ``variable`` is the one of the model.
    """

    name: str
    term: str | None
    factor: str
    variable: str

    @property
    def sd(self) -> str:
        """Name of the scale of these effects, and of its prior."""
        return f"{self.variable}_sd"


@dataclass(frozen=True)
class Formula:
    """What a formula says.

    Attributes
    ----------
    text
        As bambi is given it.
    response
        The left side; ``call`` is the function around the names there, "" for none.
    outcome, whole
        Measure or indicator on the left, and the measure that it is a part of, "" for none.
    terms
        Common terms in order, intercept and offset aside: bambi's name and that of its variable.
    factors
        Those of ``terms`` that hold a factor, so that they have several columns or a reference.
    offset
        Measure whose logarithm is the offset, "" for none.
    names
        Every name of the right side, in order.
    """

    text: str
    response: str
    call: str
    outcome: str
    whole: str
    has_intercept: bool
    terms: dict[str, str]
    factors: tuple[str, ...]
    groups: tuple[Group, ...]
    offset: str
    names: tuple[str, ...]


class FormulaError(ValueError):
    """What is wrong with a formula, in words, and how to mend it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem, self.remedy = problem, remedy


@cache
def known_names() -> tuple[str, ...]:
    """Every name that may stand in a formula; `lag(...)` of a count, indicator or alias besides."""
    return (*PLACES, YEAR, YEAR_FACTOR, *SCORES, *ALIASES, *INDICATORS, *COUNTS)


@cache
def parse(text: str) -> Formula:
    """Read a formula.

    Raises
    ------
    FormulaError
        With every fault that could be found at this stage.
    """
    tokens = _scan(text)
    faults = [*_unknown_words(tokens), *_unsafe(tokens), *_misplaced(tokens)]
    if faults:
        raise _together(faults)
    rewritten, names = _rewrite(tokens)
    return _describe(rewritten, names)


def _together(faults: Sequence[FormulaError]) -> FormulaError:
    remedies = dict.fromkeys(fault.remedy for fault in faults)
    return FormulaError("; ".join(fault.problem for fault in faults), "; ".join(remedies))


def _scan(text: str) -> list[Any]:
    from formulae.scanner import ScanError, Scanner

    syntax = "write it as outcome ~ term + term + (1|la)"
    if not text.strip():
        raise FormulaError("the formula is empty", syntax)
    if len(text) > LONGEST:
        raise FormulaError(
            f"the formula has {len(text)} characters", f"keep to {LONGEST} characters"
        )
    for found in re.finditer(r"[^\x20-\x7e]|[`'\"\\]", text):
        raise FormulaError(
            f"the character {found[0]!r} at place {found.start() + 1} belongs in no formula",
            "use plain letters, digits and + - * / : ** | ~ ( ) ,",
        )
    try:
        tokens: list[Any] = Scanner(text).scan(add_intercept=False)
    except ScanError as error:
        raise FormulaError(f"not a formula: {error}", syntax) from error
    return tokens


def _unknown_words(tokens: Sequence[Any]) -> Iterator[FormulaError]:
    """Calls and names that are not in the closed lists; dots, which reach into modules."""
    for token, after in pairwise(tokens):
        word = token.lexeme
        if token.kind != "IDENTIFIER":
            continue
        if "." in word:
            yield FormulaError(
                f"{word!r} has a dot: names of modules and attributes belong in no formula",
                f"calls: {', '.join(CALLS)}",
            )
        elif after.kind == "LEFT_PAREN":
            if word not in CALLS:
                yield FormulaError(
                    f"no call {word!r}{_close(word, CALLS)}", f"calls: {', '.join(CALLS)}"
                )
        elif word in CALLS:
            yield FormulaError(f"{word!r} is a call: brackets are missing", f"write {word}(...)")
        elif word not in known_names():
            yield FormulaError(
                f"no name {word!r}{_close(word, known_names())}",
                f"names: {', '.join(known_names())}",
            )


def _close(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 3, 0.5)
    close += [name for name in known if len(word) > 3 and word in name and name not in close][:3]
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def _unsafe(tokens: Sequence[Any]) -> Iterator[FormulaError]:
    """Signs that are no part of the language here, and sizes that could not be read in time."""
    before = None
    for token, after in pairwise(tokens):
        if token.kind not in _ALLOWED:
            yield FormulaError(
                f"{token.lexeme!r} belongs in no formula here",
                "use + - * / : ** | ~ ( ) , and the calls of the list",
            )
        if token.kind in ("RIGHT_PAREN", "NUMBER") and after.kind == "LEFT_PAREN":
            yield FormulaError(
                f"{token.lexeme!r} cannot be called", "put a sign between it and the bracket"
            )
        if token.kind == "STAR_STAR":
            power = after.literal if after.kind == "NUMBER" else None
            plain = power in range(2, LARGEST_POWER + 1)
            if not plain or before is None or before.kind == "NUMBER":
                yield FormulaError(
                    f"a power of {after.lexeme!r}", f"use ** with 2 or {LARGEST_POWER}"
                )
        if token.kind == "NUMBER" and token.literal > LARGEST_NUMBER:
            yield FormulaError(
                f"the number {token.lexeme} is above {LARGEST_NUMBER}",
                "scale the name instead, as in scale(name)",
            )
        before = token
    crossed = sum(token.kind in ("STAR", "STAR_STAR") for token in tokens)
    if crossed > MOST_CROSSED:
        yield FormulaError(
            f"* and ** stand {crossed} times", f"keep to {MOST_CROSSED}; write terms out with :"
        )
    if sum(token.kind == "TILDE" for token in tokens) != 1:
        yield FormulaError("a formula has one ~", "write it as outcome ~ term + term + (1|la)")


def _misplaced(tokens: Sequence[Any]) -> Iterator[FormulaError]:
    """What stands in the wrong bracket, or in none."""
    # For each open bracket: the call that it belongs to, "" for none, and its commas.
    inside: list[tuple[str, int]] = []
    for place, token in enumerate(tokens):
        word, before = token.lexeme, tokens[place - 1] if place else None
        if token.kind == "LEFT_PAREN":
            called = before is not None and before.kind == "IDENTIFIER"
            inside.append((before.lexeme if called and before else "", 0))
            if len(inside) == DEEPEST + 1:
                yield FormulaError(f"brackets stand over {DEEPEST} deep", "take some away")
        elif token.kind == "RIGHT_PAREN" and inside:
            call, commas = inside.pop()
            empty = before is not None and before.kind == "LEFT_PAREN"
            if call in CALLS and (empty or commas != (call in TWO)):
                taken = "two arguments" if call in TWO else "one argument"
                yield FormulaError(f"{call}(...) takes {taken}", f"write {_EXAMPLES[call]}")
        elif token.kind == "COMMA" and inside:
            inside[-1] = (inside[-1][0], inside[-1][1] + 1)
        elif token.kind == "PIPE" and (not inside or inside[-1][0]):
            # Without them the library drops what stands behind the sign, and says nothing.
            yield FormulaError("| stands outside of brackets of its own", "write (1|la)")
        elif token.kind == "IDENTIFIER" and word in (*PLACES, YEAR_FACTOR):
            if changed := [call for call, _ in inside if call in (*TRANSFORMS, "offset")]:
                yield FormulaError(f"{changed[0]}(...) of {word}, no number", f"write C({word})")
        elif token.kind == "IDENTIFIER" and word != YEAR and inside and inside[-1][0] in FACTORS:
            yield FormulaError(
                f"{inside[-1][0]}({word}): not a factor but a number",
                "use region, la_type or year",
            )
    if inside:
        yield FormulaError("a bracket is not closed", "every ( needs its )")


def _rewrite(tokens: Sequence[Any]) -> tuple[str, tuple[str, ...]]:
    """The text for bambi, and the names that it uses."""
    words, names = [], []
    kinds = [token.kind for token in tokens]
    place = 0
    while place < len(tokens) - 1:
        token, word = tokens[place], tokens[place].lexeme
        is_call = token.kind == "IDENTIFIER" and kinds[place + 1] == "LEFT_PAREN"
        inner = tokens[place + 2].lexeme if is_call and kinds[place + 2] == "IDENTIFIER" else ""
        whole = is_call and kinds[place + 3 : place + 4] == ["RIGHT_PAREN"]
        if is_call and word == "lag":
            if not whole or inner in (*PLACES, YEAR, YEAR_FACTOR, *SCORES, ""):
                raise FormulaError(
                    "lag(...) takes one name of a count or an indicator",
                    "write lag(timeliness), and transform it outside: scale(lag(timeliness))",
                )
            word, place = f"{inner}{YEAR_BEFORE}", place + 3
            names.append(word)
        elif whole and word in FACTORS and inner in (YEAR, YEAR_FACTOR):
            word, place = YEAR_FACTOR, place + 3
            names.append(word)
        elif is_call:
            word = "C" if word == "factor" else "p" if word in PARTS else word
        elif token.kind == "IDENTIFIER":
            if word == YEAR and place and kinds[place - 1] == "PIPE":
                word = YEAR_FACTOR
            names.append(word)
        words.append(word)
        place += 1
    return " ".join(words), tuple(dict.fromkeys(names))


def _describe(text: str, names: tuple[str, ...]) -> Formula:
    from formulae.model_description import model_description
    from formulae.parser import ParseError
    from formulae.resolver import ResolverError

    try:
        found = model_description(text)
    except (ParseError, ResolverError, TypeError, ValueError, AttributeError, IndexError) as error:
        # The library's own words: it also meets slips of the pen with errors of its own code.
        raise FormulaError(
            f"not a formula: {error or type(error).__name__}",
            "write it as outcome ~ term + term + (1|la); every bracket needs its partner",
        ) from error
    if found.response is None:
        raise FormulaError("there is no outcome before ~", "write it as outcome ~ term + term")
    call, outcome, whole, response = _response(text)
    common = [term.name for term in found.common_terms]
    offsets = [name for name in common if name.startswith("offset(")]
    plain = [name for name in common if name != "Intercept" and name not in offsets]
    faults = []
    for name in plain:
        if re.fullmatch(r"[\d.]+", name):
            faults.append(FormulaError(f"the number {name} is no term", "use 1 or 0"))
        if re.search(r"\b(p|offset)\(", name):
            faults.append(
                FormulaError(
                    f"{name!r}: p(...) stands on the left alone, offset(...) by itself",
                    "take it out of the term",
                )
            )
        faults += [
            FormulaError(f"{word} is made of the outcome itself", "take it out of the right side")
            for word in re.findall(r"\w+", name)
            if _counted(word) == _counted(outcome) != ""
        ]
        if "la" in re.findall(r"\w+", name):
            faults.append(
                FormulaError(
                    f"{name}: an effect for each authority by itself",
                    "write (1|la): authorities are drawn from one distribution",
                )
            )
    if len(plain) + len(found.group_terms) > MOST_TERMS:
        faults.append(
            FormulaError(
                f"the formula has {len(plain) + len(found.group_terms)} terms",
                f"keep to {MOST_TERMS}",
            )
        )
    groups, group_faults = _groups(found.group_terms)
    offset, offset_faults = _offset(offsets)
    faults += [*group_faults, *offset_faults]
    if not common and not groups:
        faults.append(FormulaError("there is nothing after ~", "write at least outcome ~ 1"))
    if faults:
        raise _together(faults)
    variables = _variables(plain, [group.variable for group in groups])
    return Formula(
        text=text,
        response=response,
        call=call,
        outcome=outcome,
        whole=whole,
        has_intercept="Intercept" in common,
        terms=variables,
        factors=tuple(name for name in plain if _is_factor(name)),
        groups=groups,
        offset=offset,
        names=tuple(name for name in names if name in text.partition("~")[2].split()),
    )


def _response(text: str) -> tuple[str, str, str, str]:
    """Call, outcome and whole of the left side, and the left side as bambi names it."""
    left = text.partition("~")[0].strip()
    if match := re.fullmatch(r"p \( (\w+) , (\w+) \)", left):
        part, whole = match.groups()
        if part not in COUNTS or whole not in COUNTS:
            raise FormulaError("p(part, whole) takes two counts", f"counts: {', '.join(COUNTS)}")
        wholes = list(_wholes(part))
        if whole not in wholes:
            raise FormulaError(
                f"{part} is no true part of {whole}, so that no share can be formed",
                f"use {' or '.join(wholes)}" if wholes else f"write {part} ~ ... with an exposure",
            )
        return "p", part, whole, f"p({part}, {whole})"
    match = re.fullmatch(r"(?:(log|sqrt) \( )?(\w+)( \))?", left)
    if match is None or bool(match[1]) != bool(match[3]):
        raise FormulaError(
            f"{left!r} is no outcome",
            "use a count, an indicator, log(...) or sqrt(...) of one, or p(part, whole)",
        )
    call, name = match[1] or "", match[2]
    if ALIASES.get(name, name) not in (*COUNTS, *INDICATORS):
        raise FormulaError(
            f"{name} is no outcome", "use a count or an indicator, or p(part, whole)"
        )
    return call, name, "", f"{call}({name})" if call else name


def _wholes(part: str) -> Iterator[str]:
    parent = MEASURES[part].parent
    while parent is not None:
        yield parent
        parent = MEASURES[parent].parent


def _counted(name: str) -> str:
    """The measure that a name counts, "" for what is no count."""
    name = ALIASES.get(name, name)
    return INDICATORS[name].numerator if name in INDICATORS else name if name in COUNTS else ""


def _offset(offsets: Sequence[str]) -> tuple[str, list[FormulaError]]:
    remedy = "use the option exposure, or offset(log(name)) of one count"
    if not offsets:
        return "", []
    match = re.fullmatch(r"offset\(log\((\w+)\)\)", offsets[0])
    if len(offsets) > 1 or match is None:
        return "", [FormulaError(f"offset: {', '.join(offsets)}", remedy)]
    name = ALIASES.get(match[1], match[1])
    if name not in COUNTS:
        return "", [FormulaError(f"{match[1]} is no count to serve as an offset", remedy)]
    return name, []


def _groups(terms: Sequence[Any]) -> tuple[tuple[Group, ...], list[FormulaError]]:
    groups, faults = [], []
    for term in terms:
        left, _, factor = term.name.partition("|")
        if factor not in GROUPS:
            faults.append(
                FormulaError(
                    f"effects that vary over {factor!r}",
                    "let them vary over la, region, la_type or year",
                )
            )
        if _is_factor(left):
            faults.append(
                FormulaError(
                    f"({left}|{factor}): effects of a factor do not vary here",
                    "let the level or the effect of a number vary, as in (1|la) or (0 + x|la)",
                )
            )
        name = factor.removesuffix("_factor")
        what = "level" if left == "1" else slug(left)
        groups.append(Group(term.name, None if left == "1" else left, factor, f"{name}_{what}"))
    return tuple(groups), faults


def _is_factor(term: str) -> bool:
    words = set(re.findall(r"\w+", term))
    return bool(words & {*PLACES, YEAR_FACTOR, "C"})


def slug(term: str) -> str:
    """A term as the name of a variable: ``scale(imd):year`` becomes ``scale_imd_year``."""
    return re.sub(r"\W+", "_", term.replace("**", " power ")).strip("_").lower()


def _variables(terms: Sequence[str], taken: Sequence[str]) -> dict[str, str]:
    """A variable for each term; what would have the name of another is numbered."""
    used = {"y", "intercept", "dispersion", "residual_sd", "shape", *taken}
    used |= {f"{name}_sd" for name in taken}
    found = {}
    for term in terms:
        name, number = slug(term), 2
        while name in used:
            name, number = f"{slug(term)}_{number}", number + 1
        used.add(name)
        found[term] = name
    return found


def read(text: str) -> str:
    """A term of bambi's as its reader wrote it."""
    text = re.sub(rf"\b(\w+){YEAR_BEFORE}\b", r"lag(\1)", text)
    return re.sub(rf"\b{YEAR_FACTOR}\b", "factor(year)", text)
