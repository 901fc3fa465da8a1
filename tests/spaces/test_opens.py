"""What the Space opens with, what its address says, and logs that are dropped in: without a browser."""

import json
import pickle
import random
import time
import zipfile
from base64 import b64decode
from pathlib import Path
from urllib.parse import urlencode

import httpx
import keep_opening
import numpy as np
import opening
import pytest
import shelf
from about_models import of_models
from opening import opening_of
from permalink import Reader
from served_space import ROOT

from trusteq.audit import start
from trusteq.audit.bundled import ASKED, TWINS, bundled_family
from trusteq.audit.options import AuditOptions
from trusteq.audit.results import flat
from trusteq.audit.schema import SCHEMA_NAME
from trusteq.cli import compare
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.options import VERSION
from trusteq.report.words import answer, beside_it

LOGS = ROOT / "tests" / "records" / "data" / "lm_eval"
OPENINGS = ("family", "smollm2")
PROBES = ("attribution_alignment", "attack_divergence")


# What was found before.


@pytest.mark.parametrize("name", OPENINGS)
def test_an_opening_is_of_this_version(name):
    """Out of date? scripts/release/keep_opening.py says how it is made anew."""
    audit = opening_of(name)
    assert (audit["schema"], audit["version"]) == (SCHEMA_NAME, VERSION)
    assert audit["signature"].startswith(f"trust_equivalence:{VERSION}|")
    assert set(audit["settings"]) == set(AuditOptions().settings)
    assert Path(opening.FOLDER / f"{name}.json").stat().st_size < 100_000
    assert audit["failures"] == []


def test_the_family_s_opening_is_what_an_audit_says_today():
    """The part that costs little: its data, its models, and two dimensions of one of them."""
    kept, family = opening_of("family"), bundled_family()
    family["compressed"] = {"distilled": family["compressed"]["distilled"]}
    options = AuditOptions(dimensions=["prediction_error_jaccard", "calibration_gap"], **ASKED)
    found = start.audit(options, **family, progress=lambda *_: SILENT, data_name=kept["data"]["name"])
    outside = {"ood_examples", "ood_duplicates"}
    assert {key: kept["data"][key] for key in set(kept["data"]) - outside} == {
        key: found["data"][key] for key in set(kept["data"]) - outside
    }
    for name in ("large", *TWINS, "distilled"):
        assert found["models"][name]["fingerprint"] == kept["models"][name]["fingerprint"]
        assert found["models"][name]["accuracy"] == pytest.approx(kept["models"][name]["accuracy"])
    settings = {key: value for key, value in found["settings"].items() if key != "dimensions"}
    assert settings.items() <= kept["settings"].items()
    before, now = (pair_of(audit, "distilled")["dimensions"] for audit in (kept, found))
    for name in options.dimensions:
        for key in set(before[name]) & set(now[name]):
            same = pytest.approx(now[name][key], abs=1e-6) if isinstance(now[name][key], float) else now[name][key]
            assert before[name][key] == same, (name, key)


class Silent:
    def update(self, count): ...
    def close(self): ...


SILENT = Silent()


def pair_of(audit, name):
    return next(pair for pair in audit["pairs"] if pair["compressed"] == name)


def test_an_opening_is_kept_from_a_report_and_nothing_else(tmp_path, capsys):
    kept = opening_of("smollm2")
    for pair in kept["pairs"]:
        for entry in pair["dimensions"].values():
            entry |= {"details": {"curve": [0.5] * 1000}, "figures": {"x": 1.0}}
    other = kept["pairs"][0] | {"role": "other", "name": "x-y"}
    said = {"said": ["good", "bad"], "confidence": [0.9, 0.8], "right": [True, False]}
    models = dict.fromkeys(kept["models"], said)
    listed = {"index": [0, 1], "text": ["a fine film", "a dull one"], "gold": ["good", "good"], "slices": {}}
    listed |= {"models": models, "left_out": 0, "strange": {"text": [], "models": {}, "left_out": 0}}
    report = kept | {"pairs": [*kept["pairs"], other], "examples": {"listed": listed}}
    place = tmp_path / "report.json"
    place.write_text(json.dumps(report), encoding="utf-8")
    assert keep_opening.main([str(place), "--name", "smollm2", "--out", str(tmp_path / "kept")]) == 0
    found = json.loads((tmp_path / "kept" / "smollm2.json").read_text(encoding="utf-8"))
    assert found == json.loads((opening.FOLDER / "smollm2.json").read_text(encoding="utf-8")) | {
        "pairs": found["pairs"],
        "lists": found["lists"],
    }
    for lists in found["lists"].values():
        assert {one["kind"]: one["count"] for one in lists}["mistakes"] == "1"
    examples = json.loads((tmp_path / "kept" / "smollm2.examples.json").read_text(encoding="utf-8"))
    assert examples["texts"] == ["a fine film", "a dull one"]
    assert [pair["name"] for pair in found["pairs"]] == [pair["name"] for pair in kept["pairs"]]
    for wrong in ("[]", "{", json.dumps(report | {"schema": "trust_equivalence/0"})):
        place.write_text(wrong, encoding="utf-8")
        assert keep_opening.main([str(place), "--name", "smollm2", "--out", str(tmp_path)]) == 2
    assert "is not a report of this version" in capsys.readouterr().err


@pytest.mark.parametrize("name", OPENINGS)
def test_the_opening_says_every_verdict_from_yes_to_no(name):
    audit = opening_of(name)
    pairs = [pair for pair in audit["pairs"] if pair["role"] == "compressed"]
    assert len(pairs) == {"family": 5, "smollm2": 7}[name]
    page = opening.opening_page(audit, name, {"quantized"})
    rows = page.partition("<tbody>")[2].partition("</tbody>")[0].split("<tr")[1:]
    words = [answer(pair).word for pair in pairs]
    assert words == sorted(words, key=["Yes", "Not settled", "No"].index)
    for pair, row, word in zip(pairs, rows, words, strict=True):
        assert pair["compressed"] in row.replace("<wbr>", "")
        assert f">{word}</td>" in row
        for entry in pair["dimensions"].values():
            assert entry["status"] == "done"
        found = [entry["verdict"] for entry in pair["dimensions"].values()]
        assert [row.count(f"verdict {verdict}'") for verdict in set(found)] == [found.count(one) for one in set(found)]
        assert ("data-compressed" in row) == (pair["compressed"] == "quantized")
    for dimension in pairs[0]["dimensions"]:
        assert DIMENSIONS[dimension].question in page


def test_behind_every_number_of_the_opening_are_its_examples():
    """The file that the page fetches is of the same audit: of its size, its models, and with its counts."""
    audit, examples = opening_of("family"), json.loads(opening.examples_of("family"))
    assert examples["count"] == audit["data"]["examples"]
    assert {one["name"] for one in examples["models"]} == set(audit["models"])
    page = opening.opening_page(audit, "family", {"quantized"})
    assert f"data-from='{shelf.name_of(opening.examples_of('family'))}'" in page
    kinds = [kind[0] for kind in examples["kinds"]]
    for place, (name, lists) in enumerate(audit["lists"].items()):
        pair = examples["pairs"][place]
        assert examples["models"][pair["models"][0]]["name"] == name
        marks = np.frombuffer(b64decode(pair["marks"]), "<u2")
        for one in lists:
            assert int(one["count"].replace(",", "")) == ((marks >> kinds.index(one["kind"])) & 1).sum(), one
        assert page.count(f"data-pair='{place}'") == 1 + len(audit["pairs"][0]["dimensions"])


@pytest.mark.parametrize("name", OPENINGS)
def test_an_opening_says_its_task_its_sizes_and_what_every_figure_is_judged_against(name):
    audit = opening_of(name)
    page = opening.opening_page(audit, name, set())
    large, data = audit["models"]["large"], audit["data"]
    task = page.partition("<p class='says task soft'>")[2].partition("</p>")[0]
    for fact in (f"{data['examples']:,} labelled", f"{large['parameters'] / 1e6:.1f} M parameters"):
        assert fact in task
    rows = page.partition("<tbody>")[2].partition("</tbody>")[0].split("<tr")[1:]
    pairs = [pair for pair in audit["pairs"] if pair["role"] == "compressed"]
    for pair, row in zip(pairs, rows, strict=True):
        assert f"<small>{opening.size_of(audit['models'][pair['compressed']])}</small>" in row
        for dimension, entry in pair["dimensions"].items():
            assert f"<small class='soft'>{beside_it(audit, entry, dimension)}</small>" in row
    if name == "family":  # the size of the gap hides that they err in opposite directions
        assert "points too unsure</a>" in page
        assert "large: 6.9 points too sure" in page
    counts = [pairs[0]["dimensions"].get(one, {}).get("examples") for one in PROBES]
    says = (
        "No text was explained or attacked."
        if counts == [None, None]
        else "Of the texts, {} explained and {} attacked."
    )
    assert says.format(*counts) in page


def test_what_is_on_the_shelf_is_found_and_nothing_else(space):
    name = shelf.put('{"a": 1}')
    assert httpx.get(f"{space.url}examples/{name}", timeout=60).json() == {"a": 1}
    for other in ("0" * 32, "..%2fapp.py", "family.examples.json"):
        assert httpx.get(f"{space.url}examples/{other}", timeout=60).status_code == 404


def test_a_row_chooses_only_models_that_are_here(space):
    pick = next(one.fn for one in space.page.fns.values() if getattr(one.fn, "__name__", "") == "pick")

    def chosen(data):
        event = type("Event", (), {"_data": data})()
        return pick(event)

    assert chosen({"compressed": "distilled"}) == ("large", "distilled")
    for wrong in ({"compressed": "kept"}, {"compressed": ["distilled"]}, {"compressed": "../x"}, {}, None, "distilled"):
        assert "distilled" not in chosen(wrong)


# The address.


@pytest.fixture(scope="module")
def reader(space) -> Reader:
    return next(
        one.fn.__self__ for one in space.page.fns.values() if isinstance(getattr(one.fn, "__self__", None), Reader)
    )


def restored(reader, address):
    """What became of the notice, of the tab, of every control by name, and which answers were asked for."""
    notice, tabs, *rest = reader.restored(address)
    values, asked = rest[: len(reader.fields)], rest[len(reader.fields) :]
    given = {name: value for name, value in zip(reader.fields, values, strict=True) if not is_skip(value)}
    shown = [name for name, one in zip(reader.answers, asked, strict=True) if one is True]
    return (
        "" if is_skip(notice) else notice.value,
        None if is_skip(tabs) else tabs.selected,
        given,
        shown,
    )


def is_skip(value):
    return isinstance(value, dict) and value.get("__type__") == "update" and len(value) == 1


def test_an_address_says_all_that_is_chosen(reader):
    address = (
        "?large=twin&compressed=tiny&tab=break&text=a+good+film&method=occlusion&top=3&attacked=bad&attack=typos&bins=7"
        "&binning=uniform&effort=thorough&shown=why+break&__theme=dark"
    )
    notice, tab, given, shown = restored(reader, address)
    assert (notice, tab, shown) == ("", "break", ["why", "break"])
    assert given == {
        "large": "twin",
        "compressed": "tiny",
        "effort": "thorough",
        "text": "a good film",
        "method": "occlusion",
        "top": 3,
        "attacked": "bad",
        "attack": "typos",
        "bins": 7,
        "binning": "uniform",
    }
    assert restored(reader, "") == ("", None, {}, [])
    asked = {"prompt": "{text} It is", "answers": "positive: fine, negative: bad"}
    assert restored(reader, f"?{urlencode(asked)}")[2] == asked
    assert restored(reader, "?compressed=owner/some-model")[2] == {"compressed": "owner/some-model"}


@pytest.mark.parametrize(("tab", "control"), [("why", "text"), ("break", "attacked")])
def test_a_row_of_a_report_leads_to_its_answer(reader, tab, control):
    address = f"?tab={tab}&large=large&compressed=distilled&text=A+dull+film"
    assert restored(reader, address) == (
        "",
        tab,
        {"large": "large", "compressed": "distilled", control: "A dull film"},
        [tab],
    )
    assert restored(reader, "?text=A+dull+film")[3] == []
    assert restored(reader, f"{address}&second=It+is+long")[2] == {
        "large": "large",
        "compressed": "distilled",
        control: "A dull film",
        {"text": "second", "attacked": "attacked_second"}[control]: "It is long",
    }


@pytest.mark.parametrize("tab", ["why", "break"])
@pytest.mark.parametrize("second", ["", "It is long"])
def test_a_row_of_the_page_gives_its_sentence_to_both_tabs(reader, tab, second):
    """And what stood there of another one is gone."""
    data = {"address": f"?tab={tab}&compressed=tiny&text=A+dull+film{'&second=It+is+long' * bool(second)}"}
    _, _, *values = reader.followed(type("Event", (), {"_data": data})())
    found = dict(zip(reader.fields, values, strict=False))
    assert found["text"] == found["attacked"] == "A dull film"
    assert found["second"] == found["attacked_second"] == second
    assert found["compressed"] == "tiny"


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("?large=../../etc/passwd", "a model is one of the list"),
        ("?compressed=http://localhost/x", "a model is one of the list"),
        ("?compressed=%3Cscript%3E", "a model is one of the list"),
        ("?large=tiny&compressed=tiny", "one and the same"),
        ("?compressed=large", "one and the same"),
        ("?tab=admin", "there is no tab"),
        ("?bins=1e9", "bins must be a whole number from 2 to 30"),
        ("?top=-1", "top must be a whole number from 1 to 10"),
        ("?top=%D9%A3", "top must be a whole number"),
        ("?method=textattack", "method must be one of"),
        ("?effort=forever", "effort must be one of"),
        ("?prompt=no+place", "a prompt holds {text} once"),
        ("?answers=good", "give 2 to 6 different answers"),
        (f"?text={'x' * 601}", "takes up to 600"),
        (f"?text={'x' * 9000}", "9,006 characters"),
        ("?text=%ff", "damaged"),
        ("?" + "&".join(f"a{i}=1" for i in range(90)), "damaged"),
    ],
)
def test_rubbish_in_an_address_is_a_sentence_and_the_defaults(reader, address, sentence):
    notice, tab, given, shown = restored(reader, address)
    assert sentence in notice
    assert "alert" in notice
    assert "<script" not in notice
    assert (tab or "verdict", given, shown) == ("verdict", {}, [])


def test_no_address_is_an_error(reader):
    dice = random.Random(0)
    letters = "&=?%+;ab1/.<>'\"\\\0\ud800é{}[] "
    names = [*reader.fields, "tab", "shown"]
    for _ in range(2000):
        parts = ["".join(dice.choices(letters, k=dice.randrange(12))) for _ in range(4)]
        address = "?" + "&".join(f"{dice.choice(names)}={part}" for part in parts)
        _, tab, given, _ = restored(reader, address)
        for name, value in given.items():
            assert reader.fields[name].check(str(value)) == value
        assert tab is None or tab in reader.tabs
    for wrong in (None, 3, ["?tab=why"], {"tab": "why"}):
        assert restored(reader, wrong) == ("", None, {}, [])


def test_an_answer_says_which_models_it_is_about(space):
    page, *_ = space.ask("confidence", "large", "tiny", 5, "uniform")
    assert page.startswith('<div class="answer-of" data-large="large" data-compressed="tiny">')
    page, *_ = space.ask("confidence", "large", "x y", 5, "uniform")
    assert "answer-of" not in page  # nothing was found
    evil = of_models("<p>", {"large": "\"><script>alert('a')</script>", "compressed": "x"})
    assert "<script" not in evil


# Logs.


def run_of(name):
    return sorted(str(path) for path in (LOGS / name).rglob("*.jsonl"))


def test_logs_are_compared_as_the_command_compares_them(space, tmp_path):
    for found in space.handler("logs")(run_of("smollm2"), run_of("smollm2-int4")):
        page, figures, *places = found
        files = [place and Path(place).read_text(encoding="utf-8") for place in places]  # gone when it has ended
    html, data, changed = files
    words = [str(LOGS / name) for name in ("smollm2", "smollm2-int4")]
    assert compare.main([*words, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    expected = {name.replace("smollm2-int4", "compressed"): value for name, value in flat(report).items()}
    assert figures == pytest.approx(expected)
    for task in report["tasks"]:
        assert task["name"] in page
    assert html.startswith("<!")
    assert json.loads(data)["data"]["examples"] == report["data"]["examples"]
    assert changed.count("\n") == (tmp_path / "flips.csv").read_text(encoding="utf-8").count("\n")
    assert str(ROOT) not in page
    assert "answer-of" not in page  # it is not about the models that are chosen above
    first = [name[0] for name in map(run_of, ("smollm2", "smollm2-int4"))]
    one, *_ = space.ask("logs", [first[0]], [first[1]])
    assert "Task by task" not in one


def test_two_tables_are_compared(space, tmp_path):
    for name, said in (("large", "aabb"), ("compressed", "abbb")):
        rows = "".join(f"{i},{'aabb'[i % 4]},{said[i % 4]}\n" for i in range(40))
        (tmp_path / f"{name}.csv").write_text(f"id,gold,said\n{rows}")
    page, figures, *_ = space.ask("logs", [str(tmp_path / "large.csv")], [str(tmp_path / "compressed.csv")])
    assert figures["compressed/accuracy"] == 0.75
    assert "By accuracy alone: 75.0 % against 100.0 %, on 40 examples." in page


def bad_files(folder):
    ran = folder / "ran"

    class Evil:
        def __reduce__(self):
            return Path.touch, (ran,)

    with zipfile.ZipFile(folder / "bomb.eval", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("header.json", b"0" * (8 << 20))
    for name, content in {
        "pickle.npz": pickle.dumps(Evil()),
        "pickle.csv": pickle.dumps(Evil()),
        "pickle.parquet": pickle.dumps(Evil()),
        "empty.jsonl": b"",
        "deep.json": b"[" * 200_000,
        "other.csv": b"a,b\n1,2\n",
        "code.py": b"import os\n",
        "zip.eval": b"PK\x03\x04rubbish",
        "strange.jsonl": b'{"doc_id": 1, "filtered_resps": [], "target": null}\n',
    }.items():
        (folder / name).write_bytes(content)
    return ran


def test_what_is_no_log_is_answered_with_a_sentence(space, tmp_path):
    ran = bad_files(tmp_path)
    good = str(tmp_path / "good.csv")
    Path(good).write_text("id,gold,said\n1,a,a\n2,b,a\n")
    for path in sorted(tmp_path.iterdir()):
        if path.name == "good.csv":
            continue
        for pair in (([str(path)], [good]), ([good], [str(path)])):
            page, *rest = space.ask("logs", *pair)
            assert '<p role="alert">' in page, path.name
            assert "something went wrong" not in page, (path.name, page)
            assert str(tmp_path) not in page
            assert "logs-" not in page
            assert not any(rest)
    assert not ran.exists()
    for given, sentence in (
        ((None, [good]), "what did the large model say?"),
        (([good], []), "what did the compressed model say?"),
        (([good] * 21, [good]), "you gave 21 files for the large model; this page takes at most 20"),
        (([str(tmp_path / "code.py")], [good]), "code.py is not a log"),
    ):
        assert sentence in space.ask("logs", *given)[0].replace("&#x27;", "'")


def test_a_log_that_takes_too_long_ends(space, tmp_path, monkeypatch):
    monkeypatch.setattr("logs.LOG_SECONDS", 0.0)
    path = tmp_path / "a.csv"
    path.write_text("id,gold,said\n1,a,a\n2,b,b\n3,a,b\n")
    assert "longer than the page allows" in space.ask("logs", [str(path)], [str(path)])[0]


def test_a_log_is_a_file_that_was_uploaded(space, spy):
    """Neither a path of this machine nor an address is read, from the button or by its name."""
    number = next(number for number, one in space.page.fns.items() if one.api_name == "logs")
    for path in ("/etc/passwd", str(ROOT / "README.md"), f"{spy.url}/a.csv"):
        given = [{"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "a.csv"}]
        for data in ([given, given], [given, None]):
            session = f"s{time.monotonic_ns()}"
            body = {"data": data, "fn_index": number, "session_hash": session}
            assert httpx.post(f"{space.url}gradio_api/queue/join", json=body, timeout=60).status_code == 422
            assert httpx.post(f"{space.url}gradio_api/call/logs", json={"data": data}, timeout=60).status_code == 422
    assert spy.hits == []
