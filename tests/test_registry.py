"""Sets that bear a name: cards, mirrors, sources in order, one clear sentence for failure."""

import hashlib
import io
import re
import shutil
import tomllib
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import local_server
import pytest
import torchvision
from PIL import Image
from small_archives import tar_of, zip_of

from imgrec_lab import datasets
from imgrec_lab.datasets import data_cache, downloads, registry

ROOT = Path(__file__).parents[1]
PUBLIC = [card for card in registry.CARDS if card.files]
DRAWN = [card for card in registry.CARDS if not card.files]
FILES = [file for card in registry.CARDS for file in (*card.files, *card.instead)]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGREC_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("IMGREC_MIRROR", raising=False)
    data_cache._warn_once.cache_clear()


@pytest.fixture
def no_network(monkeypatch):
    def offline(*args):
        raise OSError("no network here")

    monkeypatch.setattr(downloads, "_receive", offline)


@pytest.fixture
def server():
    with local_server.serving() as running:
        yield running


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


ARCHIVE = tar_of({"train/cat/0.png": png(1)}, "xz")
ORIGINAL = zip_of({"set/images/0.png": png(2), "set/notes.txt": b"not wanted"})


def entry(name: str, data: bytes, **values) -> registry.File:
    sha256 = hashlib.sha256(data).hexdigest()
    return registry.File(**{"name": name, "num_bytes": len(data), "sha256": sha256} | values)


@pytest.fixture
def card(server):
    """A set of one original file on a server, and an image folder that a mirror may hold."""
    server.files["tiny.zip"] = ORIGINAL
    sources = (f"{server.address}/tiny.zip",)
    return replace(
        registry.find_card("cifar10"),
        files=(entry("tiny.zip", ORIGINAL, sources=sources, folder="a", members=("set/images",)),),
        instead=(entry("tiny.tar.xz", ARCHIVE, layout="folder"),),
    )


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror folder with the image folder's archive."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "tiny.tar.xz").write_bytes(ARCHIVE)
    monkeypatch.setenv("IMGREC_MIRROR", str(folder))
    return folder


def raw() -> Path:
    return data_cache.data_dir() / "raw"


def files_below(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


# ---- getting it


def test_the_originals_are_downloaded_and_unpacked_once(card, server):
    root = registry.obtain(card)
    assert root == raw() / "cifar10"
    assert files_below(root) == ["a/images/0.png"]
    assert registry.obtain(card) == root and len(server.requests) == 1
    assert files_below(data_cache.data_dir() / "downloads") == ["cifar10.lock"]


def test_an_archive_is_taken_from_a_mirror_folder(card, mirror, no_network):
    root = registry.obtain(card)
    assert root == raw() / "cifar10-folder"
    assert files_below(root) == ["train/cat/0.png"]
    assert files_below(mirror) == ["tiny.tar.xz"]
    shutil.rmtree(mirror)
    assert registry.obtain(card) == root  # the second time it comes from the cache


@pytest.mark.parametrize("kind", ["http", "file"])
def test_an_archive_is_taken_from_a_mirror_address(card, server, mirror, monkeypatch, kind):
    server.files["tiny.tar.xz"] = ARCHIVE
    address = {"http": f"{server.address}/", "file": mirror.as_uri()}[kind]
    monkeypatch.setenv("IMGREC_MIRROR", address)
    assert files_below(registry.obtain(card)) == ["train/cat/0.png"]


@pytest.mark.parametrize("kind", ["folder", "http", "file"])
def test_a_mirror_without_the_files_is_passed_over_quietly(
    card, server, tmp_path, monkeypatch, kind
):
    (tmp_path / "empty").mkdir()
    places = {
        "folder": str(tmp_path / "empty"),
        "http": f"{server.address}/no/such/place",
        "file": (tmp_path / "empty").as_uri(),
    }
    if kind == "http":
        server.files["elsewhere.zip"] = server.files.pop("tiny.zip")
        file = replace(card.files[0], sources=(f"{server.address}/elsewhere.zip",))
        card = replace(card, files=(file,))
    monkeypatch.setenv("IMGREC_MIRROR", places[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert registry.obtain(card).name == "cifar10"


def test_an_original_may_lie_on_the_mirror_too(card, mirror, no_network):
    (mirror / "tiny.tar.xz").unlink()
    (mirror / "tiny.zip").write_bytes(ORIGINAL)
    assert files_below(registry.obtain(card)) == ["a/images/0.png"]


def test_sources_are_tried_in_their_order(card, server):
    server.files["page.zip"] = b"<html>moved</html>"
    server.files["other.zip"] = b"another version"
    names = ("gone.zip", "page.zip", "other.zip", "tiny.zip")
    sources = tuple(f"{server.address}/{name}" for name in names)
    card = replace(card, files=(replace(card.files[0], sources=sources),))
    assert files_below(registry.obtain(card)) == ["a/images/0.png"]
    assert [name for name, _ in server.requests] == list(names)
    shutil.rmtree(raw())
    card = replace(card, files=(replace(card.files[0], sources=sources[:3]),))
    message = unavailable(card)
    assert "gone.zip: HTTP 404; " in message
    assert "page.zip answered with a web page" in message
    assert f"its size is 15 bytes, expected {len(ORIGINAL)} bytes" in message


def test_a_second_try_goes_on_where_the_first_one_broke_off(card, server):
    second = entry(
        "two.gz", b"", sources=(f"{server.address}/two.gz",), sha256=None, num_bytes=None
    )
    card = replace(card, files=(*card.files, second))
    assert "two.gz: HTTP 404" in unavailable(card)
    server.files["two.gz"] = tar_of({"x": b""})  # a gz file, whatever is in it
    assert files_below(registry.obtain(card)) == ["a/images/0.png", "two"]
    assert [name for name, _ in server.requests] == ["tiny.zip", "two.gz", "two.gz"]


def test_who_comes_while_another_is_at_it_waits_and_finds_it_here(card, server):
    server.delay_seconds = 0.2
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(registry.obtain, [card, card]))
    assert found == [raw() / "cifar10"] * 2
    assert len(server.requests) == 1


# ---- what goes wrong


def unavailable(card) -> str:
    with pytest.raises(registry.DataUnavailable) as caught:
        registry.obtain(card)
    assert not raw().exists() or not list(raw().iterdir())  # nothing half done
    return str(caught.value)


@pytest.mark.parametrize("card", PUBLIC, ids=lambda card: card.name)
def test_without_network_one_sentence_says_what_to_do(card, no_network):
    message = unavailable(card)
    assert message.startswith(f"{card.title} could not be had by download: no network here")
    assert all(file.name in message for file in (*card.files, *card.instead))
    assert f"from {card.url} into a folder and set IMGREC_MIRROR to it" in message
    assert message.endswith(f"until then, datasets.load({card.go_on_with!r}) works offline.")


def test_a_damaged_archive_on_the_mirror_is_refused_and_never_unpacked(card, mirror, no_network):
    (mirror / "tiny.tar.xz").write_bytes(b"damaged" + ARCHIVE[7:])
    sums = f"its sha256 is [0-9a-f]{{64}}, expected {hashlib.sha256(ARCHIVE).hexdigest()}"
    with pytest.warns(UserWarning, match=f"tiny.tar.xz is not the file that was published: {sums}"):
        message = unavailable(card)
    assert f"could not be had by IMGREC_MIRROR={mirror} or download" in message


def test_an_archive_cannot_write_outside_its_folder(card, mirror, no_network, tmp_path):
    evil = tar_of({"../../evil.txt": b"x"}, "xz")
    (mirror / "tiny.tar.xz").write_bytes(evil)
    card = replace(card, instead=(entry("tiny.tar.xz", evil, layout="folder"),))
    with pytest.warns(UserWarning, match="which lies outside its folder"):
        unavailable(card)
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_bomb_is_measured_by_the_card(card, server):
    bomb = zip_of({"set/images/0.png": bytes(3_000_000)})
    server.files["tiny.zip"] = bomb
    file = replace(card.files[0], num_bytes=len(bomb), sha256=None)
    assert "tiny.zip would unpack into more than 601,000 files or 1" in unavailable(
        replace(card, files=(file,))
    )


def test_a_mirror_that_is_not_there_is_named(card, monkeypatch, no_network):
    monkeypatch.setenv("IMGREC_MIRROR", "/no/such/place")
    with pytest.warns(
        UserWarning, match="IMGREC_MIRROR=/no/such/place could not be used: there is no such folder"
    ):
        unavailable(card)


def test_a_full_disk_says_so(card, monkeypatch):
    def full(folder, fill):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(data_cache, "fill_folder", full)
    assert "No space left on device" in unavailable(card)


def test_where_no_sum_was_published_the_files_are_counted(card):
    card = replace(card, contents={"a/images/*.png": 1})
    shutil.rmtree(registry.obtain(card))
    assert (
        "the archive is not the one that was published: it holds 1 files a/images/*.png, expected 2"
    ) in unavailable(replace(card, contents={"a/images/*.png": 2}))


def test_an_archive_that_turns_out_wrong_is_fetched_anew(card, server):
    file = replace(card.files[0], num_bytes=None, sha256=None)
    card = replace(card, files=(file,), contents={"a/images/*.png": 1})
    server.files["tiny.zip"] = zip_of({"set/images/notes.txt": b"another version"})
    assert "it holds 0 files a/images/*.png, expected 1" in unavailable(card)
    server.files["tiny.zip"] = ORIGINAL[:-10]
    assert "tiny.zip is damaged" in unavailable(card)
    server.files["tiny.zip"] = ORIGINAL
    assert files_below(registry.obtain(card)) == ["a/images/0.png"]


def test_a_drawn_set_has_no_files_to_get():
    with pytest.raises(ValueError, match=r"signs needs no files; use datasets.load\('signs'\)"):
        registry.obtain(registry.find_card("signs"))


def test_an_unknown_name_offers_the_nearest(tmp_path):
    known = ("signs", "streets", "cifar10")
    assert registry.unknown_name("sings", known) == (
        "name must be one of 3 data sets; got 'sings'. Did you mean 'signs'?"
    )
    assert registry.unknown_name("CIFAR-10", known).endswith("Did you mean 'cifar10'?")
    assert registry.unknown_name("zzz", known).endswith("Try one of signs, streets, cifar10.")
    assert f"try datasets.from_folder({str(tmp_path)!r})" in registry.unknown_name(
        str(tmp_path), known
    )


# ---- the cards


def test_the_drawn_sets_are_as_large_as_their_cards_say():
    pictures = {card.name: card.pictures for card in DRAWN}
    signs = {part: number * 14 for part, number in datasets._SIGNS_PER_CLASS.items()}
    assert pictures == {"signs": signs, "streets": datasets._STREETS, "digits": {"all": 1797}}


@pytest.mark.parametrize("card", registry.CARDS, ids=lambda card: card.name)
def test_a_card_is_complete_and_agrees_with_itself(card):
    assert card.licence and card.limits and card.split and card.url.startswith("https://")
    assert len(card.brief) <= 45
    assert all(f"{number:,}" in card.what + card.split for number in card.pictures.values())
    assert datasets.NAMES.count(card.name) == 1


@pytest.mark.parametrize("card", PUBLIC, ids=lambda card: card.name)
def test_a_public_set_can_be_had_checked_and_replaced(card):
    assert registry.find_card(card.go_on_with) in DRAWN
    known = [file.num_bytes for file in card.files]
    assert None in known or card.download_mb == round(sum(known) / 1e6)
    assert all(file.sources for file in card.files) and not any(f.layout for f in card.files)
    assert card.contents or all(file.sha256 or file.md5 for file in card.files)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_sums_and_sizes_have_their_form(file):
    assert not file.sha256 or re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert not file.md5 or re.fullmatch("[0-9a-f]{32}", file.md5)
    assert not (file.sha256 and file.md5)
    assert file.num_bytes is None or file.num_bytes > 1000
    assert len([other for other in FILES if other.name == file.name]) == 1  # one mirror holds all


def test_md5_sums_are_those_that_torchvision_checks():
    source = Path(torchvision.datasets.gtsrb.__file__).read_text()
    sums = [file.md5 for card in registry.CARDS for file in card.files if file.md5]
    assert len(sums) == 3 and all(f'md5="{md5}"' in source for md5 in sums)


def test_addresses_are_those_that_torchvision_knows():
    cifar, fashion, pets = (registry.find_card(n) for n in ("cifar10", "fashion-mnist", "pets"))
    assert cifar.files[0].sources[0] == torchvision.datasets.CIFAR10.url
    source = torchvision.datasets.FashionMNIST
    known = {f"{source.mirrors[0]}{name}" for name, _ in source.resources}
    assert {file.sources[0] for file in fashion.files} == known
    known = [url for url, _ in torchvision.datasets.OxfordIIITPet._RESOURCES]
    assert [file.sources[0] for file in pets.files] == known


# ---- where the cards are kept


def test_an_installed_package_finds_its_cards_beside_its_code(tmp_path, monkeypatch):
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    source = "datasets/registry.toml"
    target = build["targets"]["wheel"]["force-include"][source]
    assert source in build["targets"]["sdist"]["include"]
    (tmp_path / target).parent.mkdir(parents=True)
    shutil.copy(ROOT / source, tmp_path / target)
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "imgrec_lab/datasets/registry.py"))
    assert registry._read_cards() == registry.CARDS


def each_file(included: dict[str, str]) -> dict[str, str]:
    """What a wheel is told to include, folders as the files in them."""
    found = {}
    for source, target in included.items():
        names = [path.name for path in (ROOT / source).glob("*")]  # none for a file
        found |= {f"{source}/{name}": f"{target}/{name}" for name in names} or {source: target}
    return found


def test_a_wheel_carries_the_cards_and_what_lessons_read(tmp_path, monkeypatch):
    hatchling = pytest.importorskip("hatchling.build")
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    included = build["targets"]["wheel"]["force-include"]
    files = each_file(included)
    assert any(source.startswith("results/machines/") for source in files)
    for name in ("pyproject.toml", "README.md", "LICENSE", *files):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "imgrec_lab").mkdir()
    (tmp_path / "imgrec_lab" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(hatchling.build_wheel(".")) as wheel:
        for source, target in files.items():
            assert wheel.read(target) == (ROOT / source).read_bytes()
    notebooks = [path.read_text("utf-8") for path in (ROOT / "notebooks").glob("*.ipynb")]
    read = set(re.findall(r'measured\.read\(\\"(\w+)', "".join(notebooks)))
    assert read and {f"results/{name}.json" for name in read} <= set(included)
