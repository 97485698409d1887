"""The tokenizer: parity with the library and GPT-2, control tokens that text never makes, training that repeats."""

import gzip
import json
import os
import subprocess
import sys
import textwrap
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, pre_tokenizers

import models.tokenizer as module
from models.tokenizer import (
    CONTROL_TOKENS,
    END_OF_TEXT,
    SMALLEST_VOCABULARY,
    NotATokenizer,
    Tokenizer,
    token_dtype,
    train_tokenizer,
)

TEXTS = [
    "The miller's wheel turns in the mill race; the mill stones grind the grain, and the flour falls into sacks.",
    "Die Mühle am rauschenden Bach: klipp klapp!\nBei Tag und bei Nacht ist der Müller stets wach.\r\n\r\n",
    "def grind(grain):\n    return [flour for kernel in grain for flour in kernel.split()]  # 1234 sacks\n",
    "мельница мелет муку; 風車は風で回る; المطحنة تطحن الحبوب 🌾🌾",
    # White space of all kinds becomes tokens of its own, so that a cut inside of it would show.
    "a\n\n\nb\n  \n\n    c\r\n\r\nd\n\t\te. \n\nf!\n\n\u2028\n\u0085g\x1c\n\x1c \n\u0301h\n\u2028\nk\n\n" * 5,
    f"a page about {END_OF_TEXT} and <|im_start|>user and <|im_end|> as text, {END_OF_TEXT}{END_OF_TEXT} " * 5,
]

# Unassigned code points are left out: a newer Unicode may give them a normal form.
characters = st.characters(exclude_categories=("Cs", "Cn"))
awkward = st.sampled_from(
    [*CONTROL_TOKENS, "<|", "|>", "endoftext", " ", "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u2028", "\x1c", "\x85",
     "\u0301", "e\u0301", "\u212b", "\uac00\u11a8", "'s", "'LL", "123", "  x", "\0", "🌾"]
)  # fmt: skip
texts = st.lists(awkward | st.text(characters, max_size=8), max_size=20).map("".join)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS * 3, 600)


def test_control_tokens_come_first_and_bytes_next(tokenizer):
    assert [tokenizer.control[name] for name in CONTROL_TOKENS] == [0, 1, 2]
    assert (tokenizer.end_of_text, tokenizer.message_start, tokenizer.message_end) == (0, 1, 2)
    assert SMALLEST_VOCABULARY < len(tokenizer) <= 600
    assert sorted(tokenizer.decode_bytes([number]) for number in range(3, 259)) == [bytes([b]) for b in range(256)]


@given(text=texts)
def test_no_text_makes_a_control_token_and_decoding_gives_its_normal_form(tokenizer, text):
    (ids,) = tokenizer.encode([text])
    assert not set(ids.tolist()) & {0, 1, 2}
    assert tokenizer.decode(ids.tolist()) == unicodedata.normalize("NFC", text)
    assert tokenizer.byte_lengths()[ids].sum() == len(unicodedata.normalize("NFC", text).encode())


def test_control_tokens_are_decoded_as_their_names_and_have_no_bytes(tokenizer):
    assert tokenizer.decode([1, 0, 2]) == "<|im_start|><|endoftext|><|im_end|>"
    assert tokenizer.byte_lengths()[:4].tolist() == [0, 0, 0, 1]


def test_the_library_by_itself_takes_the_text_for_the_control_token(tokenizer):
    """The trap that the wrapper is there for: if the library changes, the next test alone would not see it."""
    library = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    assert 0 in library.encode(f"a{END_OF_TEXT}b").ids


@given(batch=st.lists(texts, max_size=4))
def test_ids_are_those_of_the_library(tokenizer, batch):
    library = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    library.encode_special_tokens = True
    expected = [library.encode(text).ids for text in batch]
    encoded = tokenizer.encode(batch)
    assert [one.tolist() for one in encoded] == expected
    assert all(one.dtype == np.uint16 for one in encoded)


@given(ids=st.lists(st.integers(0, 258), max_size=30))
def test_any_ids_are_decoded_as_the_library_decodes_them(tokenizer, ids):
    library = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    assert tokenizer.decode(ids) == library.decode(ids, skip_special_tokens=False)


@given(text=texts)
@example(text=TEXTS[4])
def test_a_long_text_is_cut_where_no_token_can_cross(tokenizer, text):
    whole = tokenizer.encode([text, text])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE_CHARACTERS", 2)
        patch.setattr(module, "BATCH_CHARACTERS", 5)
        pieces = tokenizer._pieces(text)
        cut = tokenizer.encode([text, text])
    assert "".join(pieces) == text
    assert [one.tolist() for one in cut] == [one.tolist() for one in whole]


def test_a_book_is_really_cut(tokenizer):
    pieces = tokenizer._pieces("a line of a long book\n" * 40_000)
    assert len(pieces) > 2
    assert max(map(len, pieces)) < module.PIECE_CHARACTERS + 30


SCRIPT = textwrap.dedent("""
    import hashlib, random, sys
    from models.tokenizer import train_tokenizer
    draw = random.Random(3)
    letters = "abcdefgh"
    # Words drawn evenly: very many pairs have equal counts, so that ties decide much.
    words = ["".join(draw.choices(letters, k=draw.randint(2, 7))) for _ in range(4000)]
    texts = [" ".join(words[start : start + 50]) for start in range(0, 4000, 50)]
    random.Random(int(sys.argv[1])).shuffle(texts)
    print(hashlib.sha256(train_tokenizer(texts, 1200).to_json().encode()).hexdigest())
""")


def test_training_gives_the_same_bytes_whatever_the_threads_the_hashes_and_the_order():
    found = set()
    for shuffle, environment in enumerate(
        [{"TOKENIZERS_PARALLELISM": "false"}, {"RAYON_NUM_THREADS": "1"}, {"RAYON_NUM_THREADS": "4"}, {}]
    ):
        command = [sys.executable, "-c", SCRIPT, str(shuffle)]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == 64


def test_what_is_learned_of_control_tokens_names_are_pieces_of_text():
    learned = train_tokenizer([END_OF_TEXT * 50] * 20, 400)
    vocabulary = {learned.decode([number]): number for number in range(3, len(learned))}
    assert not set(CONTROL_TOKENS) & set(vocabulary)
    assert "endoftext" in vocabulary


def test_a_vocabulary_that_cannot_hold_the_bytes_is_refused():
    with pytest.raises(ValueError, match="needs 259"):
        train_tokenizer(TEXTS, 258)


def test_saved_and_loaded_it_is_the_same(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json(), encoding="utf-8")
    again = Tokenizer.load(path)
    assert again.fingerprint == tokenizer.fingerprint
    assert again.to_json() == tokenizer.to_json()
    assert [one.tolist() for one in again.encode(TEXTS)] == [one.tolist() for one in tokenizer.encode(TEXTS)]
    assert train_tokenizer(TEXTS * 3, 300).fingerprint != tokenizer.fingerprint


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("{}", "no tokenizer.json that can be read"), (tokenizers.Tokenizer(models.BPE()).to_str(), "no control token")],
)
def test_what_is_no_tokenizer_is_refused_with_its_path(tmp_path, content, sentence):
    path = tmp_path / "tokenizer.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(NotATokenizer, match=sentence) as caught:
        Tokenizer.load(path)
    assert str(path) in str(caught.value)


def test_transformers_loads_what_is_saved_and_gives_the_same_ids(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer.settings()), encoding="utf-8")
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    plain = [text for text in TEXTS if END_OF_TEXT not in text]
    assert theirs(plain)["input_ids"] == [one.tolist() for one in tokenizer.encode(plain)]
    assert (theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id) == (0, 0, 0)
    assert len(theirs) == len(tokenizer)


def test_the_type_of_a_token_is_the_narrowest_that_holds_every_id():
    assert token_dtype(65_536) == np.uint16
    assert token_dtype(65_537) == np.uint32


@pytest.fixture(scope="module")
def gpt2(test_data, tmp_path_factory) -> tuple[Tokenizer, Path]:
    """GPT-2's vocabulary behind our wrapper, and the folder it came from."""
    folder = test_data / "tokenizers" / "gpt2"
    backend = tokenizers.Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(END_OF_TEXT, special=True, normalized=False)])
    path = tmp_path_factory.mktemp("gpt2") / "tokenizer.json"
    path.write_text(Tokenizer(backend).to_json(), encoding="utf-8")
    return Tokenizer.load(path), folder


def test_gpt2_behind_the_wrapper_equals_gpt2_of_transformers(gpt2, test_data):
    from transformers import GPT2TokenizerFast

    ours, folder = gpt2
    theirs = GPT2TokenizerFast(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))
    with gzip.open(test_data / "text" / "us-gov-18f.jsonl.gz", "rt", encoding="utf-8", newline="\n") as lines:
        real = [json.loads(line)["text"] for line, _ in zip(lines, range(60), strict=False)]
    sample = [text for text in [*real, *TEXTS] if END_OF_TEXT not in text]
    assert len(sample) > 40
    encoded = ours.encode(sample)
    assert [one.tolist() for one in encoded] == theirs(sample)["input_ids"]
    assert [ours.decode(one.tolist()) for one in encoded] == sample
    assert len(ours) == 50_257
    assert ours.end_of_text == 50_256
    assert ours.byte_lengths()[:50_256].min() == 1


def test_gpt2_has_no_tokens_for_conversations(gpt2):
    with pytest.raises(KeyError, match="can't write conversations"):
        _ = gpt2[0].message_start


def test_a_text_longer_than_a_piece_is_not_cut_under_another_pattern(gpt2, tokenizer):
    text = "line\n\n\n  next\n" * 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE_CHARACTERS", 4)
        assert len(gpt2[0]._pieces(text)) == 1
        assert len(tokenizer._pieces(text)) > 1
