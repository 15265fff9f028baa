r"""image-server's URLs: a namespace, the MD5 of the original in four parts, and a file name.

    GET  /p/6e0/072/682/e66287b662827da75b244a3/300x200.jpg       exactly 300x200, cropped
    GET  /p/6e0/072/682/e66287b662827da75b244a3/x200-q30.webp     a square, quality 30; `-q0` is no quality named
    GET  /p/6e0/072/682/e66287b662827da75b244a3/w200.jpg          200 wide, the height by the shape, also enlarged
    GET  /p/6e0/072/682/e66287b662827da75b244a3/full_size.jpg     every pixel, in another format or quality
    GET  /p/6e0/072/682/e66287b662827da75b244a3/original          the original, as its namespace allows it
    GET  /p/6e0/072/682/e66287b662827da75b244a3/info.json         what is known of it
    GET  /p/6e0/072/682/e66287b662827da75b244a3/notes.txt         what somebody stored beside it
    GET  /p/6e0/…/x200~SIGNATURE.jpg                              signed, where `signing.keys` are set

    POST /p?source=URL&outputs=x300.jpg,w200.webp                 an original by its URL, or in the body
    POST /p/6e0/072/682/e66287b662827da75b244a3/process?outputs=  make what is missing of these
    POST /p/6e0/072/682/e66287b662827da75b244a3/notes.txt         store the body beside the original
    POST /p/batch?outputs=                                        a hash a line; GET /p/batch/JOB tells what became of it

Every namespace whose originals are named by their MD5 has these URLs.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from renderer.box import Box
from renderer.dialects import native
from renderer.dialects.hits import Hit
from renderer.errors import BadRequest, MethodNotAllowed, NotAllowed, NotUnderstood
from renderer.fields import shown, whole
from renderer.formats import BY_EXTENSION, FORMATS, JPEG, WRITABLE
from renderer.messages import Batch, BatchQuestion, Deposit, Preparation, Reply, Request, Show, SideFile, Terms, Wish, Writing, plain
from renderer.namespaces import NAME as SPACE_NAME
from renderer.namespaces import is_name, served
from renderer.ops import Fill, Operation, Scale
from renderer.recipe import INFO, Beside, Output, Qualities, Recipe, Untouched
from renderer.rendition import Alias, Namespace, Ref, Rendition, extensions_of
from renderer.signing import SIGNATURE, sign

NAME = "imageserver"
_HASH = r"[0-9a-f]{3}/[0-9a-f]{3}/[0-9a-f]{3}/[0-9a-f]{23}"
SHAPE = rf"/(?!{native.PREFIX}/){SPACE_NAME}/{_HASH}/[^/]+"
TAKES = rf"/{SPACE_NAME}(?:/batch(?:/[^/]+)?|/{_HASH}/[^/]+)?"

ORIGINAL, PROCESS, BATCH = "original", "process", "batch"
MOST_FIELDS = 10  # of a query, before they are looked at: no URL has more than two
MOST_OUTPUTS = 50  # of one request, which waits for all of them
EXTENSIONS = tuple(extension for form in WRITABLE for extension in form.extensions)  # of a rendition, where a namespace says nothing else
NOT_AVAILABLE = "404 image not available. Not Found"  # what image-server said of an extension that it did not make

_PLACE = re.compile(rf"/(?P<space>{SPACE_NAME})/(?P<hash>{_HASH})/(?P<file>[^/]+)", re.DOTALL)
_SIGNED = re.compile(rf"(?P<stem>[^~]+)~(?P<signature>{SIGNATURE})(?P<extension>\.[^~.]+)?", re.DOTALL)
_PICTURE = re.compile(
    r"(?:(?P<width>[0-9]*)x(?P<height>[0-9]+)|w(?P<only>[0-9]+)|full_size)(?:-q(?P<quality>[0-9]+))?\.(?P<extension>[A-Za-z0-9_]+)"
)
_SIDE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_SIDE, _JOB = re.compile(_SIDE_NAME), re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ALIAS = "~="  # huImages' aliases begin with the first of these only, and the same size is another picture there


def answer(status: int, sentence: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """What failed, in image-server's JSON; of an extension that is not made it spoke in plain text."""
    if sentence == NOT_AVAILABLE:
        return plain(status, sentence, headers)
    return _json(status, json.dumps({"error": sentence}, ensure_ascii=False), headers)


def _json(status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    content = text.encode("utf-8", "replace") + b"\n"
    return Reply(status, (("Content-Type", "application/json; charset=UTF-8"), *headers), content)


def read(request: Request, terms: Terms) -> Show | None:
    """The file that an image-server URL names; None for another dialect's."""
    match = _PLACE.fullmatch(request.path)
    space = _space(terms, match["space"]) if match else None
    if match is None or space is None:
        return None
    name, signature = _unsigned(match["file"])
    wish = wish_of(name, space, terms.qualities)
    show = wish.of(_ref(space, match["hash"]))
    return Show(show.rendition, show.wish, show.alias, signature, show.archived)


def space_of(path: str, terms: Terms) -> Namespace | None:
    """The namespace that a path of our shape names."""
    return _space(terms, path.split("/", 2)[1])


def _space(terms: Terms, name: str) -> Namespace | None:
    space = terms.namespaces.get(name)
    return space if space is not None and space.naming.kind == "md5" else None


def _ref(space: Namespace, parts: str) -> Ref:
    return space.ref(parts.replace("/", ""))


def _unsigned(file: str) -> tuple[str, str]:
    """The file name as it is without a signature, and the signature."""
    match = _SIGNED.fullmatch(file)
    return (match["stem"] + (match["extension"] or ""), match["signature"]) if match else (file, "")


def wish_of(name: str, space: Namespace, qualities: Qualities) -> Wish:
    """What `name` is, of any original in `space`; NotUnderstood for an extension that is not made, BadRequest for what cannot be a name."""
    if name == ORIGINAL:
        recipe = Untouched(scrubbed=space.originals != "as-is")
        native.judge_untouched(space, recipe)
        return Wish(recipe, name)
    if name == INFO.name:
        return Wish(INFO, name, archived=name)
    match = _PICTURE.fullmatch(name)
    if match:
        return _picture(name, match, space, qualities)
    if not _SIDE.fullmatch(name):
        raise BadRequest(f"expected a file name of letters, digits, dots, dashes and underscores, got {shown(name)}")
    return Wish(Beside(name), name)


def _picture(name: str, match: re.Match[str], space: Namespace, qualities: Qualities) -> Wish:
    extension = match["extension"]
    if extension not in (space.extensions or EXTENSIONS):
        raise NotUnderstood(NOT_AVAILABLE)
    form = BY_EXTENSION[extension]
    quality = whole(match["quality"], "quality", 0, 100) if match["quality"] else 0
    output = qualities.output(form)
    if quality and form.has_quality:
        output = qualities.completed(Output(form, quality, output.progressive))
    return Wish(Recipe.of(_operations(match), output), name, Alias(_ALIAS + name.rpartition(".")[0], extension), name)


def _operations(match: re.Match[str]) -> tuple[Operation, ...]:
    if match["only"]:
        return (Scale(Box.parse(match["only"] + "x", free=True)),)
    if match["height"]:
        return (Fill(Box.parse(f"{match['width'] or match['height']}x{match['height']}")),)
    return ()


def original_url(base_url: str, ref: Ref, keys: Sequence[bytes] = ()) -> str:
    """Where an original is found, if its namespace shows it; signed by the first of `keys`."""
    signature = f"~{sign(keys[0], ref, ORIGINAL)}" if keys else ""
    return f"{base_url}{place_of(ref.namespace, ref.name)}/{ORIGINAL}{signature}"


def place_of(space: Namespace, name: str) -> str:
    """The path below which an original's files are."""
    return f"/{space.name}/{name[:3]}/{name[3:6]}/{name[6:9]}/{name[9:]}"


def names_a_picture(name: str) -> bool:
    """Whether a file of this name is a rendition, or would be one with another extension."""
    return _PICTURE.fullmatch(name) is not None


def hits(terms: Terms) -> tuple[Hit, ...]:
    """Renditions, what is known, originals, and last, because their names are freest, side files."""
    return tuple(hit for space in served(terms.namespaces) if space.naming.kind == "md5" for hit in _hits(space))


def _hits(space: Namespace) -> tuple[Hit, ...]:
    hexadecimal, signed = "[0-9a-f]", f"(?:~{SIGNATURE})?"
    parts = ("a", 2), ("b", 1), ("c", 1), ("d", 2), ("e", 3), ("f", 23)
    a, b, c, d, e, f = (f"(?P<{name}>{hexadecimal}{{{count}}})" for name, count in parts)
    start, directory = f"/{space.pattern}/{a}{b}/{c}{d}/{e}/{f}/", f"{space.folder}/$a/$b$c/$a$b$c$d$e$f"
    number, quality = "[1-9][0-9]{0,4}", "(?:-q(?:0|[1-9][0-9]?|100))?"
    wish = f"(?P<wish>(?:(?:{number})?x{number}|w{number}|full_size){quality})"
    extensions = "|".join(space.extensions or EXTENSIONS)
    title = f"image-server {space.name}"
    file = f"{directory}/{_ALIAS}$wish.$ext"
    found = [Hit(title, space, rf"{start}{wish}{signed}\.(?P<ext>{extensions})", (file,))]
    jpeg = "|".join(extension for extension in JPEG.extensions if extension in (space.extensions or EXTENSIONS))
    if space.negotiates and jpeg:
        pattern = rf"{start}{wish}{signed}\.(?P<ext>{jpeg})"
        found.insert(0, Hit(f"{title} negotiated", space, pattern, (f"{file}$accepted",), negotiates=space.negotiates))
    known = Rendition(Ref(space, ""), INFO).file_name(*extensions_of(INFO))
    found.append(Hit(f"{title} information", space, rf"{start}info{signed}\.json", (f"{directory}/{known}",), is_foreign=True))
    if space.originals != "forbidden":
        stem = Untouched(scrubbed=space.originals != "as-is").spell()
        originals = tuple(f"{directory}/{stem}.{form.extension}" for form in FORMATS)
        found.append(Hit(f"{title} originals", space, f"{start}{ORIGINAL}{signed}", originals))
    side = rf"{start}(?P<stem>{_SIDE_NAME}){signed}(?P<end>(?:\.[A-Za-z0-9_-]{{1,20}})?)"
    files = tuple(f"{directory}/+$stem$end.{extension}" for extension in extensions_of(Beside("")))
    found.append(Hit(f"{title} side files", space, side, files, is_foreign=True))
    return tuple(found)


def receive(request: Request, terms: Terms) -> Writing | None:
    """What is asked of the service host; None for what is nobody's, or another dialect's."""
    space_name, _, rest = request.path[1:].partition("/")
    if not is_name(space_name):
        return None
    place = _PLACE.fullmatch(request.path)
    if rest.startswith(f"{BATCH}/"):
        return _batch_question(rest.removeprefix(f"{BATCH}/"), _usable(terms, space_name), request.method)
    if request.method in ("GET", "HEAD") or (rest not in ("", BATCH) and not place) or request.path.endswith("/"):
        return None  # a page, perhaps
    space = _usable(terms, space_name)
    if request.method != "POST":
        raise MethodNotAllowed(request.method, ("POST",))
    if place:
        return _beside_original(_ref(space, place["hash"]), place["file"], request, terms)
    query = _query(request, ("outputs",) if rest else ("source", "outputs"))
    if not rest:
        return Deposit(space, query.get("source", ""), wishes_of(query.get("outputs", ""), space, terms.qualities))
    return Batch(space, _expected(wishes_of(query.get("outputs", ",".join(space.outputs)), space, terms.qualities)))


def _batch_question(job: str, space: Namespace, method: str) -> BatchQuestion:
    if not _JOB.fullmatch(job):
        raise NotUnderstood(f"expected the name of a batch, got {shown(job)}")
    if method not in ("GET", "HEAD"):
        raise MethodNotAllowed(method, ("GET", "HEAD"))
    return BatchQuestion(space, job)


def _usable(terms: Terms, name: str) -> Namespace:
    space = _space(terms, name)
    if space is None:
        raise NotUnderstood(f"expected a namespace that is configured, or may be made on first use, got {shown(name)}")
    return space


def _beside_original(ref: Ref, file: str, request: Request, terms: Terms) -> Preparation | SideFile:
    query = _query(request, ("outputs",) if file == PROCESS else ())
    if file == PROCESS:
        return Preparation(ref, _expected(wishes_of(query.get("outputs", ""), ref.namespace, terms.qualities)))
    if file in (ORIGINAL, INFO.name) or names_a_picture(file):
        raise NotAllowed(f"expected a name that is neither the original's, nor info.json, nor a rendition's, got {shown(file)}")
    return SideFile(wish_of(file, ref.namespace, terms.qualities).of(ref))


def _expected(wishes: tuple[Wish, ...]) -> tuple[Wish, ...]:
    if not wishes:
        raise BadRequest("expected outputs=x300.jpg,… for what is to be made, got none")
    return wishes


def _query(request: Request, known: Sequence[str]) -> Mapping[str, str]:
    try:
        pairs = urllib.parse.parse_qsl(request.query, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise BadRequest(f"expected at most {MOST_FIELDS} parameters in the query, got more") from error
    for name, _ in pairs:
        if name not in known or [other for other, _ in pairs].count(name) > 1:
            raise BadRequest(f"expected {' and '.join(known) or 'nothing'} in the query, each once, got {shown(name)}")
    return dict(pairs)


def wishes_of(outputs: str, space: Namespace, qualities: Qualities) -> tuple[Wish, ...]:
    """The renditions that `x300.jpg,w200.webp` names, in their order and each once; BadRequest for what cannot be made."""
    names = dict.fromkeys(name for name in outputs.split(",") if name)
    if len(names) > MOST_OUTPUTS:
        raise BadRequest(f"expected at most {MOST_OUTPUTS} outputs, got {len(names)}")
    wishes = [wish_of(name, space, qualities) for name in names]
    for wish in wishes:
        if not isinstance(wish.recipe, Recipe) and wish.recipe != INFO:
            raise NotUnderstood(f"expected names of renditions for outputs, got {shown(wish.wish)}")
    return tuple(wishes)


def deposited(facts: Mapping[str, Any]) -> Reply:
    """An original was taken in. `facts`: hash, height, width, content_type."""
    return _json(200, json.dumps(facts, indent=2, ensure_ascii=False))


def stored() -> Reply:
    """A side file was."""
    return _json(200, "{}")


def prepared() -> Reply:
    """All outputs are there."""
    return Reply(200)


def batched(job: str) -> Reply:
    """A batch was begun."""
    return _json(200, json.dumps({"job_id": job}))


def batch_told(is_done: bool, content: Mapping[str, Any] | Path) -> Reply:
    """What became of a batch: JSON while it runs, then a file with a line for each original."""
    if isinstance(content, Path):
        return Reply(200, (("Content-Type", "text/tab-separated-values; charset=UTF-8"),), file=content)
    return _json(200 if is_done else 202, json.dumps(content, indent=2))
