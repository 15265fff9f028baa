"""Print the URL of a rendition, signed where signing.keys are set.

SIZE is 300x200 (fit), 300x200! (exactly, cropped), a size name such as thumb or square, o (the original), or a recipe as the cache
spells it: fill-300x200_q80. In a namespace with the naming md5 also a file name of image-server's: x200-q30.webp, w200.jpg.
"""

from __future__ import annotations

import argparse

from renderer.cli.importing import links_of, namespace_of
from renderer.config import Config


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the original's name, as `onmiss import` printed it")
    parser.add_argument("size", metavar="SIZE")
    parser.add_argument("--namespace", default="", help="default: the first that is configured")
    parser.add_argument("--format", default="", metavar="EXT", help="png, webp, gif, avif; default JPEG")


def run(arguments: argparse.Namespace, config: Config) -> int:
    print(links_of(config).url(namespace_of(config, arguments.namespace), arguments.id, arguments.size, arguments.format))
    return 0
