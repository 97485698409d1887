"""A decoder as files that `transformers` reads: model.safetensors and config.json, as Qwen3 (or Llama without QK-norm).

So the folder of a model is itself loadable there. Weights are float32, under the published names.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.decoder import Decoder, DecoderConfig

WEIGHTS = "model.safetensors"
CONFIG = "config.json"

_BLOCK_NAMES = {
    "attention_norm": "input_layernorm",
    "attention.query_norm": "self_attn.q_norm",
    "attention.key_norm": "self_attn.k_norm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj",
    "mlp_norm": "post_attention_layernorm",
    "mlp.gate": "mlp.gate_proj",
    "mlp.up": "mlp.up_proj",
    "mlp.down": "mlp.down_proj",
}
_TOP_NAMES = {"embedding": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"}


class NotACheckpoint(ValueError):
    """A folder that holds no decoder of ours; the message says what is wrong in which file."""


def published_name(name: str) -> str:
    """What `transformers` calls one of our parameters: "norm.weight" is "model.norm.weight" there."""
    module, _, kind = name.rpartition(".")
    if module.startswith("blocks."):
        _, number, inner = module.split(".", 2)
        return f"model.layers.{number}.{_BLOCK_NAMES[inner]}.{kind}"
    return f"{_TOP_NAMES[module]}.{kind}"


def published_config(config: DecoderConfig, end_of_text: int) -> dict[str, Any]:
    """The content of config.json. `end_of_text` is bos, eos and pad at once.

    `rope_parameters` is where `transformers` 5 looks for the base of the rotary positions, `rope_theta` where older
    ones and other programs do: without the second they silently take their own default.
    """
    architecture, family = ("Qwen3ForCausalLM", "qwen3") if config.qk_norm else ("LlamaForCausalLM", "llama")
    return {
        "architectures": [architecture],
        "model_type": family,
        "vocab_size": config.vocabulary_size,
        "max_position_embeddings": config.context_length,
        "num_hidden_layers": config.layers,
        "hidden_size": config.width,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads,
        "head_dim": config.head_width,
        "intermediate_size": config.mlp_width,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "rms_norm_eps": config.norm_epsilon,
        "tie_word_embeddings": config.tied_embeddings,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
        "torch_dtype": "float32",
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "pad_token_id": end_of_text,
    } | ({"use_sliding_window": False} if config.qk_norm else {"mlp_bias": False})


def read_config(published: dict[str, Any]) -> DecoderConfig:
    """The shape behind a config.json. Raises KeyError with the missing field."""
    return DecoderConfig(
        vocabulary_size=published["vocab_size"],
        context_length=published["max_position_embeddings"],
        layers=published["num_hidden_layers"],
        width=published["hidden_size"],
        heads=published["num_attention_heads"],
        key_value_heads=published["num_key_value_heads"],
        head_width=published["head_dim"],
        mlp_width=published["intermediate_size"],
        rope_theta=published["rope_parameters"]["rope_theta"],
        norm_epsilon=published["rms_norm_eps"],
        qk_norm=published["model_type"] == "qwen3",
        tied_embeddings=published["tie_word_embeddings"],
    )


def published_tensors(decoder: Decoder) -> dict[str, Tensor]:
    """Every weight under its published name, float32 on the CPU. A tied output layer is not among them."""
    return {
        published_name(name): value.detach().to("cpu", torch.float32).contiguous()
        for name, value in decoder.named_parameters()
    }


def save_model(decoder: Decoder, folder: Path, end_of_text: int = 0) -> None:
    """Write model.safetensors and config.json into `folder`, which is there. Equal weights give equal bytes."""
    save_file(published_tensors(decoder), folder / WEIGHTS, metadata={"format": "pt"})
    published = published_config(decoder.config, end_of_text)
    (folder / CONFIG).write_text(json.dumps(published, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_model(folder: Path) -> Decoder:
    """The decoder of a folder, on the CPU, ready to be asked (`eval`).

    Raises FileNotFoundError, or NotACheckpoint where a file does not hold what it should.
    """
    try:
        config = read_config(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except (KeyError, ValueError) as error:
        raise NotACheckpoint(f"{folder / CONFIG} describes no decoder of ours: {error}") from error
    decoder = Decoder(config)
    try:
        found = load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise NotACheckpoint(f"{folder / WEIGHTS} can't be read: {error}. It was cut short or damaged.") from error
    wanted = {published_name(name): parameter for name, parameter in decoder.named_parameters()}
    if found.keys() != wanted.keys():
        missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
        raise NotACheckpoint(f"{folder / WEIGHTS} does not fit its {CONFIG}: missing {missing}, unknown {extra}.")
    with torch.no_grad():
        for name, parameter in wanted.items():
            if found[name].shape != parameter.shape:
                raise NotACheckpoint(
                    f"{folder / WEIGHTS}: {name} has the shape {[*found[name].shape]}, {CONFIG} says "
                    f"{[*parameter.shape]}."
                )
            parameter.copy_(found[name])  # into memory of our own alignment: see models.optimizer
    return decoder.eval()
