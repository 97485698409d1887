"""Export a model as a Hugging Face folder: what `transformers`, and every program that reads its files, loads offline.

The weights and config.json are the model's own, byte for byte (see `models.formats.checkpoint`). Generation ends at
`<|endoftext|>` and, where the tokenizer has one, at `<|im_end|>`, which ends an answer.
"""

import shutil
from typing import Any

import pyarrow as pa

from models.chat import CHAT_TEMPLATE
from models.tokenizer import MESSAGE_END, MESSAGE_START, Tokenizer
from storage.artifact import MAIN_TABLE
from storage.commit import ShardOutput
from storage.files import read_json, write_json
from storage.schemas.training import EXPORT
from tasks.config import StageConfig
from tasks.executor import Watch
from tasks.stage import Inputs, Shard, Stage, StageFailed

HOLDS = {
    "model.safetensors": "weights, float32",
    "config.json": "shape of the network, ids of control tokens",
    "generation_config.json": "where generation ends",
    "tokenizer.json": "vocabulary and merges",
    "tokenizer_config.json": "names of control tokens, chat template",
    "special_tokens_map.json": "names of control tokens, for older programs",
}
COPIED = ("model.safetensors", "config.json", "tokenizer.json")


class ExportConfig(StageConfig):
    """Nothing to choose yet: one format."""


def generation_config(tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of generation_config.json."""
    ends = [tokenizer.end_of_text]
    if MESSAGE_END in tokenizer.control:
        ends.append(tokenizer.message_end)
    return {
        "bos_token_id": tokenizer.end_of_text,
        "eos_token_id": ends,
        "pad_token_id": tokenizer.end_of_text,
        "do_sample": True,
        "temperature": 1.0,
        "top_p": 0.95,
    }


def tokenizer_files(tokenizer: Tokenizer, settings: dict[str, Any], context_length: int) -> dict[str, dict[str, Any]]:
    """The JSON files beside tokenizer.json: file name to content. `settings` is the model's tokenizer_config.json."""
    named = {key: settings[key] for key in ("bos_token", "eos_token", "pad_token")}
    chat = [name for name in (MESSAGE_START, MESSAGE_END) if name in tokenizer.control]
    added = {"additional_special_tokens": chat} if chat else {}
    template = {"chat_template": CHAT_TEMPLATE} if len(chat) == 2 else {}
    return {
        "tokenizer_config.json": settings | added | template | {"model_max_length": context_length},
        "special_tokens_map.json": named | added,
    }


def _plan(inputs: Inputs, config: ExportConfig) -> list[Shard]:
    (model,) = inputs["model"]
    if model.manifest.kind != "model":
        raise StageFailed(
            f"export: {model} is no model but of the kind {model.manifest.kind}. `gristmill artifacts` lists them."
        )
    return [Shard(0, {"model": model.fingerprint}, model.manifest.bytes, {"model": model}, str(model))]


def _work(shard: Shard, config: ExportConfig, output: ShardOutput, watch: Watch) -> None:
    """Write a model as a Hugging Face folder: weights, configurations, tokenizer, chat template."""
    model = shard.where["model"]
    tokenizer = Tokenizer.load(model.file("tokenizer.json"))
    context_length = read_json(model.file("config.json"))["max_position_embeddings"]
    paths = {name: output.file(name) for name in HOLDS}
    for name in COPIED:
        shutil.copyfile(model.file(name), paths[name])
    made = tokenizer_files(tokenizer, read_json(model.file("tokenizer_config.json")), context_length)
    for name, content in (made | {"generation_config.json": generation_config(tokenizer)}).items():
        write_json(paths[name], content)
    rows = [{"file": name, "bytes": paths[name].stat().st_size, "holds": holds} for name, holds in HOLDS.items()]
    output.write(pa.RecordBatch.from_pylist(rows, schema=EXPORT.schema))
    watch.progress(shard.size)


export = Stage("export", 1, "export", ExportConfig, {MAIN_TABLE: EXPORT}, _plan, _work, here=True, unit="bytes")
