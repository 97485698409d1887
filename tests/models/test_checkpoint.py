"""What we write, `transformers` reads: no key missing, none unexpected, the same logits."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from models.decoder import Decoder, DecoderConfig
from models.formats.checkpoint import CONFIG, WEIGHTS, NotACheckpoint, load_model, save_model

SHAPE = {
    "vocabulary_size": 131,
    "context_length": 48,
    "layers": 3,
    "width": 40,
    "heads": 4,
    "key_value_heads": 2,
    "head_width": 16,  # heads x head_width is not the width: a field that is easily forgotten
    "mlp_width": 56,
    "rope_theta": 500.0,
    "norm_epsilon": 1e-5,
}


def randomised(**changes) -> Decoder:
    """A decoder whose every weight is random, norms too: a norm of ones hides a wrong order of operations."""
    decoder = Decoder(DecoderConfig.model_validate(SHAPE | changes))
    generator = torch.Generator().manual_seed(3)
    decoder.initialise(generator)
    with torch.no_grad():
        for parameter in decoder.parameters():
            if parameter.dim() < 2:
                parameter.uniform_(0.3, 1.7, generator=generator)
    return decoder.eval()


@pytest.mark.parametrize("qk_norm", [True, False])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("key_value_heads", [1, 2, 4])
def test_transformers_loads_it_whole_and_gives_the_same_logits(tmp_path, qk_norm, tied, key_value_heads):
    decoder = randomised(qk_norm=qk_norm, tied_embeddings=tied, key_value_heads=key_value_heads)
    save_model(decoder, tmp_path, end_of_text=7)
    theirs, report = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True, local_files_only=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert type(theirs).__name__ == ("Qwen3ForCausalLM" if qk_norm else "LlamaForCausalLM")
    assert theirs.dtype == torch.float32
    assert {theirs.config.bos_token_id, theirs.config.eos_token_id, theirs.config.pad_token_id} == {7}
    tokens = torch.randint(0, 131, (3, 48), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(decoder(tokens), theirs.eval()(tokens).logits, atol=1e-5, rtol=0)


def test_what_is_loaded_is_what_was_saved_to_the_bit(tmp_path):
    decoder = randomised()
    save_model(decoder, tmp_path)
    again = load_model(tmp_path)
    assert again.config == decoder.config
    for (name, one), (other_name, other) in zip(decoder.named_parameters(), again.named_parameters(), strict=True):
        assert name == other_name
        assert torch.equal(one, other)
    (tmp_path / "again").mkdir()
    save_model(again, tmp_path / "again")
    assert (tmp_path / "again" / WEIGHTS).read_bytes() == (tmp_path / WEIGHTS).read_bytes()


def test_both_places_of_the_rotary_base_are_written(tmp_path):
    save_model(randomised(), tmp_path)
    written = json.loads((tmp_path / CONFIG).read_text())
    assert written["rope_theta"] == written["rope_parameters"]["rope_theta"] == 500.0


def test_a_folder_that_does_not_fit_is_refused_with_what_is_wrong(tmp_path):
    save_model(randomised(), tmp_path)
    written = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(written | {"num_hidden_layers": 4}))
    with pytest.raises(NotACheckpoint, match=r"missing \['model\.layers\.3"):
        load_model(tmp_path)
    (tmp_path / CONFIG).write_text(json.dumps(written | {"intermediate_size": 60}))
    with pytest.raises(NotACheckpoint, match=r"mlp\.gate_proj\.weight has the shape \[56, 40\]"):
        load_model(tmp_path)
    (tmp_path / CONFIG).write_text(json.dumps({key: written[key] for key in written if key != "head_dim"}))
    with pytest.raises(NotACheckpoint, match="head_dim"):
        load_model(tmp_path)
    (tmp_path / CONFIG).write_text(json.dumps(written))
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:-8])
    with pytest.raises(NotACheckpoint, match="cut short or damaged"):
        load_model(tmp_path)
