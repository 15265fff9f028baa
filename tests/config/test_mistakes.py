"""Every mistake is reported with the path of its key and the likely cure; all mistakes of a file at once; and never a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from renderer.config import Config
from renderer.errors import ConfigError

SECRET = "correct horse battery"


def mistake(text: str, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        Config.of(yaml.safe_load(text), Path("/srv/onmiss"), environ)
    return caught.value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("cash: {}", "cash: expected a known key (did you mean cache?)", id="a section"),
        pytest.param("serve: {thread: 5}", "serve.thread: expected a known key (did you mean threads?)", id="a key"),
        pytest.param("hosts: {images: {lisen: x}}", "hosts.images.lisen: expected a known key (did you mean listen?)", id="a deeper key"),
        pytest.param("stores: {a: {kind: s3, bucket: abc, buket: x}}", "did you mean bucket?", id="a key of a store"),
        pytest.param("stores: {a: {kind: s4}}", "stores.a.kind: expected file or s3 or couchdb or memory, got 's4'", id="a kind"),
        pytest.param("stores: {a: {bucket: x}}", "stores.a.kind: expected file or s3 or couchdb or memory, got none", id="no kind"),
        pytest.param("stores: {a: {kind: s3}}", "stores.a.bucket: expected a value, got none (Name of the bucket.)", id="no bucket"),
        pytest.param("namespaces: {p: {naming: sha256}}", "expected 'sha1', 'md5' or 'path', got 'sha256'", id="a naming"),
        pytest.param("serve: {threads: many}", "serve.threads: expected a whole number, got 'many'", id="no number"),
        pytest.param("serve: {threads: true}", "serve.threads: expected a number, got true", id="a truth"),
        pytest.param("serve: {threads: 1.5}", "serve.threads: expected a whole number, got '1.5'", id="a fraction"),
        pytest.param("quality: {jpeg: 101}", "quality.jpeg: expected at most 100, got '101'", id="too much"),
        pytest.param("cache: {max_bytes: 0}", "cache.max_bytes: expected at least 1, got", id="no bytes"),
        pytest.param("cache: {max_age: 3 weeks}", "cache.max_age: expected a number", id="an age"),
        pytest.param("namespaces: {p: {local_copy: 1GB}}", "expected a store that is far for a budget", id="copies at home"),
        pytest.param("nginx: {miss_rate: 0}", "nginx.miss_rate: expected at least 1, got '0'", id="too little"),
        pytest.param("nginx: {worker_processes: x}", "expected a whole number or 'auto', got 'x'", id="one of two types"),
        pytest.param("limits: {max_original_bytes: 5 XB}", "expected a number of bytes like 64MB or 2GiB, got '5 XB'", id="a unit"),
        pytest.param("hosts: {images: {listen: 8080}}", "expected a text, got '8080'", id="a port alone"),
        pytest.param("hosts: {images: {listen: 'localhost:99999'}}", "expected HOST:PORT like 127.0.0.1:8080", id="a large port"),
        pytest.param("hosts: {images: {names: []}}", "expected at least 1 of them", id="no name"),
        pytest.param("hosts: {admin: {listen: '0.0.0.0:8082'}}", "expected a loopback address", id="a public admin"),
        pytest.param("hosts: {images: {url: 'i.example.net'}}", "expected http://HOST or https://HOST", id="an address without a scheme"),
        pytest.param("cache: 5", "cache: expected keys with values, got '5'", id="no section"),
        pytest.param(f"serve: {{socket: /{'s' * 120}}}", "expected a path of at most 100 bytes for a socket, got 121", id="a long socket"),
    ],
)
def test_a_wrong_key_is_named_with_its_cure(text: str, said: str) -> None:
    assert said in str(mistake(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "namespaces: {huimages: {store: dsk}}",
            "namespaces.huimages.store: expected the name of a store, got 'dsk' (did you mean disk?)",
            id="no such store",
        ),
        pytest.param(
            "stores: {old: {kind: couchdb}}\nnamespaces: {huimages: {store: old}}",
            "namespaces.huimages.store: expected a store that takes originals, got 'old', a couchdb, which is only read",
            id="a source for a store",
        ),
        pytest.param(
            "namespaces: {huimages: {legacy: [disc]}}",
            "namespaces.huimages.legacy.0: expected the name of a store, got 'disc' (did you mean disk?)",
            id="no such source",
        ),
        pytest.param(
            "stores: {disk: {kind: file}, old: {kind: couchdb}}\nnamespaces: {huimages: {legacy: [old, disk]}}",
            "namespaces.huimages.legacy.1: expected another store than the namespace's own, got 'disk' (leave it out)",
            id="a store as its own source",
        ),
        pytest.param(
            "stores: {disk: {kind: file}, old: {kind: couchdb}}\nnamespaces: {huimages: {legacy: [old, old]}}",
            "namespaces.huimages.legacy.1: expected each source once, got 'old' again",
            id="a source twice",
        ),
        pytest.param(
            "stores: {disk: {kind: file}, new: {kind: file, root: new}}\n"
            "namespaces: {secret: {originals: forbidden}, huimages: {store: new, legacy: [disk]}}",
            "namespaces.huimages.legacy.0: expected a source that no other namespace has for its store, but secret keeps originals there",
            id="another's store as a source",
        ),
        pytest.param(
            "stores: {disk: {kind: file}, new: {kind: file, root: new}}\n"
            "namespaces: {secret: {prefix: s}, scenes: {naming: path, store: new, legacy: [disk]}}",
            "namespaces.scenes.legacy.0: expected a source that no other namespace has for its store",
            id="a path into another's store",
        ),
        pytest.param(
            "namespaces: {scenes: {naming: path, accept_mismatch: true}}",
            "namespaces.scenes.accept_mismatch: expected false for names that are not made of the bytes, got true",
            id="a mismatch of nothing",
        ),
        pytest.param("namespaces: {o: {}}", "namespaces.o: expected a name that no URL begins with", id="a reserved name"),
        pytest.param("namespaces: {square: {}}", "namespaces.square: expected a name that no URL begins with", id="a size name"),
        pytest.param("namespaces: {Aa: {}}", "namespaces.Aa: expected a text like", id="a capital"),
        pytest.param("namespaces: {huimages: {naming: path}}", "expected sha1 or md5 for huImages' URLs", id="huImages by path"),
        pytest.param(
            "namespaces: {a: {}, b: {}}", "namespaces.b: expected a place of its own, but a keeps originals there too", id="one place"
        ),
        pytest.param(
            "namespaces: {a: {naming: path}, b: {prefix: x/y}}", "namespaces.b: expected a place of its own", id="a path into another"
        ),
        pytest.param(
            "stores: {disk: {kind: file}, twin: {kind: file}}\nnamespaces: {a: {}, b: {store: twin}}",
            "namespaces.b: expected a place",
            id="two stores in one place",
        ),
        pytest.param(
            "cache: {root: x}\nstores: {disk: {kind: file, root: x/y}}",
            "stores.disk.root: expected a directory outside the cache",
            id="originals in the cache",
        ),
        pytest.param(
            "cache: {root: x/y}\nstores: {disk: {kind: file, root: x}}",
            "cache.root: expected a directory outside the store disk",
            id="a cache in the originals",
        ),
        pytest.param(
            "limits: {sizes: {p: []}}", "limits.sizes.p: expected the name of a namespace (known: huimages)", id="sizes of nobody"
        ),
        pytest.param("limits: {sizes: {huimages: [75x75, 075x1]}}", "limits.sizes.huimages.1: expected", id="a size"),
        pytest.param(
            "hosts: {service: {listen: '127.0.0.1:8080'}}",
            "hosts.service.listen: expected another address than that of images",
            id="one port",
        ),
        pytest.param("hosts: {images: {listen: '*:80'}, service: {listen: '127.0.0.1:80'}}", "hosts.service.listen", id="everywhere"),
        pytest.param(
            "serve: {waiting: 320}", "serve.waiting: expected fewer than serve.threads, got 320 (raise serve.threads, now 320", id="waiting"
        ),
        pytest.param(
            "serve: {waiting_per_original: 176}", "serve.waiting_per_original: expected fewer than serve.waiting", id="per original"
        ),
        pytest.param("signing: {keys: [short]}", "signing.keys.0: expected at least 16 characters, got fewer", id="a short key"),
    ],
)
def test_keys_that_disagree_are_named(text: str, said: str) -> None:
    assert said in str(mistake(text))


@pytest.mark.parametrize(
    "namespaces",
    [
        pytest.param({"p": {"naming": "md5"}, "q": {"naming": "md5"}}, id="both md5"),
        pytest.param(
            {"a": {"naming": "path", "prefix": "a"}, "ab": {"naming": "path", "prefix": "ab"}}, id="prefixes that only begin alike"
        ),
        pytest.param({"huimages": {}, "b": {"naming": "path", "prefix": "b"}}, id="a hash beside a path"),
    ],
)
def test_namespaces_that_do_not_meet_may_share_a_store(namespaces: dict[str, Any]) -> None:
    assert set(Config.of({"namespaces": namespaces}).namespaces) == set(namespaces)


TWO_DISKS = {"disk": {"kind": "file"}, "new": {"kind": "file", "root": "new"}, "couch": {"kind": "couchdb"}}


@pytest.mark.parametrize(
    "namespaces",
    [
        pytest.param({"huimages": {"store": "new", "legacy": ["couch", "disk"]}}, id="any kind, in any order"),
        pytest.param({"huimages": {}}, id="a source that nobody uses"),
        pytest.param({"huimages": {"store": "new", "legacy": ["disk"]}, "b": {"prefix": "b"}}, id="a prefix that no hash begins with"),
        pytest.param({"p": {"naming": "md5", "store": "new", "legacy": ["disk"]}, "q": {"naming": "md5"}}, id="both md5"),
        pytest.param({"huimages": {"accept_mismatch": True}}, id="a mismatch of what is in the store already"),
    ],
)
def test_legacy_sources_may_be_any_stores_that_are_nobody_elses(namespaces: dict[str, Any]) -> None:
    assert set(Config.of({"stores": TWO_DISKS, "namespaces": namespaces}).namespaces) == set(namespaces)


def test_all_mistakes_are_said_at_once() -> None:
    said = str(mistake("cash: {}\nserve: {threads: x}\nquality: {jpeg: 0}"))
    assert said.startswith("3 problems\n")
    assert all(key in said for key in ("cash", "serve.threads", "quality.jpeg"))


def test_a_mistake_from_the_environment_is_named_by_its_variable() -> None:
    assert str(mistake("{}", ONMISS_SERVE__THREDS="5")) == "ONMISS_SERVE__THREDS: expected a known key (did you mean threads?)"
    assert mistake("{}", ONMISS_SERVE__THREADS="x").key == "ONMISS_SERVE__THREADS"


def test_a_variable_of_an_unknown_section_is_an_error() -> None:
    assert "did you mean ONMISS_CACHE__…?" in str(mistake("{}", ONMISS_CASHE__ROOT="x"))
    assert "did you mean ONMISS_ROOT?" in str(mistake("{}", ONMISS_ROTO="x"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"signing: {{keys: {SECRET}}}", id="no list"),
        pytest.param(f"signing: {{keys: {{a: {SECRET}}}}}", id="a mapping"),
        pytest.param(f"signing: {{keys: [{{text: {SECRET}}}]}}", id="an unknown source"),
        pytest.param(f"signing: {{key: {SECRET}}}", id="an unknown key"),
        pytest.param(f"stores: {{a: {{kind: s3, bucket: abc, secret_access_key: [{SECRET}]}}}}", id="a list"),
        pytest.param(f"stores: {{a: {{kind: s3, bucket: abc, secret_acces_key: {SECRET}}}}}", id="a misspelt key"),
        pytest.param(f"stores: {{a: {{kind: s3, secret_access_key: {SECRET}}}}}", id="beside another mistake"),
    ],
)
def test_no_mistake_repeats_a_secret(text: str) -> None:
    error = mistake(text)
    assert SECRET not in str(error) + repr(error)
    assert error.__cause__ is None
    assert error.__suppress_context__
