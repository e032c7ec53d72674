"""The pages (README.md, docs/) name only files, identifiers, configuration keys, commands and options that exist."""

import functools
import re
from pathlib import Path

from . import rooms, sources
from .finding import Finding

CODE = (".h", ".cc", ".py", ".toml", ".proto", ".go", ".build", ".txt", ".in", "")
# Words that look like ours, and are of other programs or put together at run time.
ELSEWHERE = {
    "grpc_pass": "nginx", "rte_rcu_qsbr": "DPDK",
    "at_10": "a column of tools/bench wire", "at_80": "a column of tools/bench wire",
}
CONFIGURATION = Path("docs/configuration.md")
_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?<![\w/.-])((?:src|tests|tools|docs|dpdk_conf|nic_profiles)/[\w./*-]*[\w*/-])")
_FILE = re.compile(r"(?!_)[\w*-]+(?:/[\w*-]+)*\.(?:h|cc|py|md|toml|\*)")
_SNAKE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
_SCOPED = re.compile(r"([a-z0-9]+)::([A-Z]\w+)")
_COMMAND = re.compile(r"(?<![\w/.-])((?:build/(?:src|tools)/)?(?:sluicectl|sluiced)|tools/(?:check|test|lab|bench|demo|fuzz))"
                      r"((?: [^\n`#|;&]+)?)")
_KEY_READ = re.compile(r"(?:\.|->)(?:string|boolean|integer|integers|duration|strings|string_or_strings|table|tables|choice|has)"
                       r"\(\s*\"(\w+)\"|\brate\(\"(\w+)\"")


def check() -> list:
    pages = [path for path in sources.all_files() if path.suffix == ".md" and path.parts[0] in ("docs", "README.md")]
    found = []
    for page in pages:
        for at, problem in sorted(_problems(page)):
            found.append(Finding(f"{page}:{sources.text(page).count(chr(10), 0, at) + 1}", problem))
    return found + _undocumented_keys()


def _problems(page: Path) -> list:
    text = sources.text(page)
    found = []
    for match in _LINK.finditer(text):
        if not re.match(r"\w+:", match[1]) and not _link_leads_somewhere(page, match[1]):
            found.append((match.start(), f"the link {match[1]} leads nowhere"))
    for match in _PATH.finditer(text):
        if not _exists(match[1]):
            found.append((match.start(), f"there is no {match[1]}"))
    for match in _COMMAND.finditer(text):
        found += [(match.start(), problem) for problem in _command_problems(match[1].split("/")[-1], match[2])]
    prose = _BLOCK.sub(lambda block: " " * len(block[0]), text)
    for match in _SPAN.finditer(prose):
        span = match[1]
        if _FILE.fullmatch(span) and not _exists(span):
            found.append((match.start(), f"there is no file {span}"))
        if _SNAKE.fullmatch(span) and span not in _words() and span not in ELSEWHERE and not _is_metric(span):
            found.append((match.start(), f"no code knows {span}"))
        scoped = _SCOPED.match(span)
        if scoped and scoped[1] in rooms.order() and not re.search(rf"\b{scoped[2]}\b", _code_of(scoped[1])):
            found.append((match.start(), f"{scoped[1]} has no {scoped[2]}"))
    return found


def _anchors(page: Path) -> set:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", _BLOCK.sub("", sources.text(page)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _link_leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (sources.REPOSITORY / page.parent / name).resolve() if name else sources.REPOSITORY / page
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in _anchors(target.relative_to(sources.REPOSITORY))


@functools.cache
def _exists(name: str) -> bool:
    """As it stands, below a directory of sources, or, when it is a mere file name, anywhere. May have stars."""
    trees = ("", "src/", "tests/", "tools/", "docs/", "docs/example/")
    if any(any(sources.REPOSITORY.glob(tree + name.rstrip("/"))) for tree in trees):
        return True
    if any((sources.REPOSITORY / (name + end)).exists() for end in (".cc", "_test.cc", "_test.py")):
        return True
    built_by = Path(name).parent / "meson.build"  # a program
    if (sources.REPOSITORY / built_by).is_file() and f"executable('{Path(name).name}'" in sources.text(built_by):
        return True
    pattern = re.compile(re.escape(name).replace(r"\*", r"[\w.-]*"))
    return "/" not in name and any(pattern.fullmatch(path.name) for path in sources.all_files())


@functools.cache
def _words() -> frozenset:
    """All identifiers of all that is not a page, and what file names are made of."""
    words = set()
    for path in sources.all_files():
        if path.suffix in CODE and path.parts[0] != "docs" or path.parts[:2] == ("docs", "example"):
            words |= set(re.findall(r"[a-z0-9_]+", sources.text(path)))
            words.add(path.stem)
            words.add(path.stem.removesuffix("_test"))
    return frozenset(words | {word.strip("_") for word in words})


def _is_metric(name: str) -> bool:
    """A metric of a table of src/stats: the table's prefix, as src/admin has it, and a line of the table."""
    line = name.removesuffix("_total")
    return any(line.startswith(prefix) and line.removeprefix(prefix) in _words()
               for prefix in re.findall(r"\"(sluice_\w+_)\"", _code_of("admin")))


@functools.cache
def _code_of(room: str) -> str:
    return "\n".join(sources.text(path) for path in sources.cpp_files() if path.parts[:2] == ("src", room))


@functools.cache
def _program(name: str) -> str:
    """The text that declares a program's options."""
    if name == "sluiced":
        return sources.text(Path("src/sluiced.cc"))
    if name == "sluicectl":
        return sources.text(Path("tools/sluicectl/main.cc"))
    helpers = {"bench": "sluicebench"}.get(name, "sluicelab")
    return "\n".join(sources.text(path) for path in sources.all_files()
                     if path == Path("tools") / name or path.parts[:2] == ("tools", helpers) and path.suffix == ".py")


def _command_problems(name: str, words: str) -> list:
    own = words.split(" -- ")[0].split("]")[0]  # behind -- stands another program's command line
    found = [f"{name} has no option {option}" for option in re.findall(r"(?<=\s)(--[a-z][a-z0-9-]*)", own)
             if option not in _program(name) and option not in ("--help", "--version")]
    if name == "sluicectl":
        commands = re.findall(r"(?:^\s+\{|add_subcommand\()\"(\w+)\", \"", _program(name), re.MULTILINE)
        first = re.match(r"(?: --\w+ \S+)* ([a-z]+)$|(?: --\w+ \S+)* ([a-z]+) --", words.rstrip())
        if first and (first[1] or first[2]) not in commands:
            found.append(f"sluicectl has no command {first[1] or first[2]}")
    return found


def _undocumented_keys() -> list:
    """Keys that the loader reads, and the page does not have."""
    known = set(re.findall(r"\w+", sources.text(CONFIGURATION)))
    found = []
    for path in sources.cpp_files():
        if path.parts[0] == "src" and path.stem.startswith("read_"):
            keys = {key for pair in _KEY_READ.findall(sources.text(path)) for key in pair if key}
            found += [Finding(str(path), f"reads the key {key}, and {CONFIGURATION} does not have it") for key in sorted(keys - known)]
    return found
