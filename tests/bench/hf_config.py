"""A shape (shapes.py) as transformers names it."""

import transformers


def config_of(shape):
    """The configuration, whose `architectures` names the class of the model."""
    common = dict(
        vocab_size=shape["vocab_rows"],
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    if shape["family"] == "gptj":
        return transformers.GPTJConfig(
            architectures=["GPTJForCausalLM"],
            n_positions=shape["context"],
            n_embd=shape["d_model"],
            n_layer=shape["layers"],
            n_head=shape["heads"],
            n_inner=shape["d_ff"],
            rotary_dim=shape["rotary_dims"],
            **common,
        )
    return transformers.GPTNeoXConfig(
        architectures=["GPTNeoXForCausalLM"],
        max_position_embeddings=shape["context"],
        hidden_size=shape["d_model"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        intermediate_size=shape["d_ff"],
        rotary_pct=shape["rotary_dims"] * shape["heads"] / shape["d_model"],
        use_parallel_residual=shape["parallel_residual"],
        **common,
    )
