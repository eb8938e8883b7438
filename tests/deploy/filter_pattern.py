"""Whether a CloudWatch Logs filter pattern matches a log line.

moto's and ministack's evaluators take every JSON pattern for a match, so neither can fail a
test. CloudWatch's JSON patterns are a dialect of JSONPath's filter expressions (RFC 9535):
this translates the part that template.yaml uses, refuses the rest, and has a JSONPath
library decide.
"""

import json
import re

import jsonpath_rfc9535

FIELD = r"\$((?:\.\w+)+)"
CONDITIONS = {
    rf'{FIELD} = "([^"*]*)"': r'@\1 == "\2"',
    rf"{FIELD} = (-?\d+)": r"@\1 == \2",
    rf"{FIELD} = \*": r"@\1",
    rf"{FIELD} IS (TRUE|FALSE|NULL)": lambda found: f"@{found[1]} == {found[2].lower()}",
}


def matches(pattern: str, line: str) -> bool:
    try:
        event = json.loads(line)
    except ValueError:
        return False  # CloudWatch applies JSON patterns to JSON lines only.
    return bool(jsonpath_rfc9535.find(f"$[?{translate(pattern)}]", [event]))


def translate(pattern: str) -> str:
    inner = re.fullmatch(r"\{ (.+) }", pattern)
    if not inner:
        raise ValueError(f"not a JSON filter pattern: {pattern}")
    clauses = re.split(r" (&&|\|\|) ", inner[1])
    single = len(clauses) == 1
    return " ".join(clause if clause in ("&&", "||") else condition(clause, single) for clause in clauses)


def condition(clause: str, single: bool) -> str:
    """One comparison; where there are several, CloudWatch's documentation has each in parentheses."""
    bare = clause if single else clause.removeprefix("(").removesuffix(")")
    for known, jsonpath in CONDITIONS.items():
        if re.fullmatch(known, bare):
            return re.sub(known, jsonpath, bare)
    raise ValueError(f"no condition that this evaluator knows: {clause}")
