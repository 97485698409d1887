"""An exported folder, loaded by `transformers` alone."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from models.chat import encode_chats
from models.formats.checkpoint import load_model
from models.tokenizer import Tokenizer
from storage.artifact import Artifact
from storage.files import sha256_file
from tasks.export import ExportConfig, export
from tasks.run import running
from tasks.stage import StageFailed
from tests.tasks.small_model import World, shared_world

TEXTS = ["The miller grinds the grain.", "Mühle  12\n\n  風車", "", "  leading and trailing  ", "e\u0301 is é"]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    return shared_world(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def exported(world) -> Artifact:
    with running(world.lake, "export", quiet=True):
        return export(ExportConfig(), model=world.base)


def test_transformers_loads_the_folder_and_its_logits_are_ours(world, exported):
    theirs, report = AutoModelForCausalLM.from_pretrained(
        exported.folder, output_loading_info=True, local_files_only=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    ours = load_model(world.base.folder)
    tokens = torch.randint(0, ours.config.vocabulary_size, (2, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(tokens).logits, ours(tokens), atol=1e-5, rtol=0)
    assert theirs.generation_config.eos_token_id == [0, 2]
    assert theirs.generation_config.pad_token_id == theirs.generation_config.bos_token_id == 0


def test_with_random_norms_too_the_logits_are_ours(world, exported, tmp_path):
    # after some steps the norms are near 1, where a wrong one hides
    folder = tmp_path / "export"
    shutil.copytree(exported.folder, folder)
    assert sha256_file(folder / "model.safetensors") == sha256_file(world.base.file("model.safetensors"))
    assert sha256_file(folder / "config.json") == sha256_file(world.base.file("config.json"))
    weights, generator = load_file(folder / "model.safetensors"), torch.Generator().manual_seed(5)
    norms = [name for name, weight in weights.items() if weight.dim() == 1]
    assert len(norms) == 1 + 4 * load_model(world.base.folder).config.layers
    for name in norms:
        weights[name].uniform_(0.3, 1.7, generator=generator)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    theirs, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, local_files_only=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    ours = load_model(folder)
    tokens = torch.randint(0, ours.config.vocabulary_size, (2, 64), generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(tokens).logits, ours(tokens), atol=1e-5, rtol=0)


def test_its_tokenizer_gives_our_ids(world, exported):
    theirs = AutoTokenizer.from_pretrained(exported.folder, local_files_only=True)
    ours = Tokenizer.load(world.base.file("tokenizer.json"))
    for text, ids in zip(TEXTS, ours.encode(TEXTS), strict=True):
        assert theirs(text)["input_ids"] == ids.tolist()
        assert theirs.decode(ids.tolist()) == ours.decode(ids)
    assert len(theirs) == len(ours)
    assert [theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id] == [0, 0, 0]
    assert theirs.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"]) == [1, 2]
    assert theirs.model_max_length == 64


def test_its_chat_template_gives_our_ids(world, exported):
    theirs = AutoTokenizer.from_pretrained(exported.folder, local_files_only=True)
    ours = Tokenizer.load(world.base.file("tokenizer.json"))
    chat = [
        {"role": "user", "content": "What does the baker do?"},
        {"role": "assistant", "content": "The baker bakes the bread."},
    ]
    found = theirs.apply_chat_template(chat, tokenize=True, return_dict=False)
    assert found == encode_chats(ours, [chat])[0].ids.tolist()


def test_what_is_no_model_is_refused(world):
    with running(world.lake, "export", quiet=True), pytest.raises(StageFailed, match="is no model but of the kind tok"):
        export(ExportConfig(), model=world.tokenizer)
