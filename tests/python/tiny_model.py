"""Writes a model of random weights that a real llama.cpp server loads in a moment.

usage: tiny_model.py FILE

Two layers of 64 dimensions in llama's shape. Its vocabulary is every byte, so that any prompt can be read, and a
few words, which are all it ever says: the other rows of the output matrix are zero, so it never ends a turn either.
"""

import sys

import gguf
import numpy

WIDTH, LAYERS, HEADS, HIDDEN, CONTEXT = 64, 2, 4, 160, 8_192
WORDS = [
    "\u2581" + word
    for word in "the a of and water flows through gate lock weir mill tide pond bank boat rain sea river".split()
]
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def vocabulary():
    """Tokens, scores and kinds, in the order llama's SentencePiece models have them."""
    kinds = gguf.TokenType
    rows = [(UNKNOWN, 0.0, kinds.UNKNOWN), (BEGIN, 0.0, kinds.CONTROL), (END, 0.0, kinds.CONTROL)]
    rows += [(f"<0x{byte:02X}>", 0.0, kinds.BYTE) for byte in range(256)]
    rows += [(word, -1.0 - index, kinds.NORMAL) for index, word in enumerate(WORDS)]
    return zip(*rows, strict=True)


def describe(writer, tokens, scores, kinds):
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_unk_token_id(tokens.index(UNKNOWN))
    writer.add_bos_token_id(tokens.index(BEGIN))
    writer.add_eos_token_id(tokens.index(END))
    # With it, the text that opens a turn would not be what the template says, and no grammar would start.
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)


def weigh(writer, tokens):
    # The same model on every machine.
    random = numpy.random.default_rng(7)

    def matrix(rows, columns):
        return (random.standard_normal((rows, columns)) / numpy.sqrt(columns)).astype(numpy.float32)

    def ones():
        return numpy.ones(WIDTH, dtype=numpy.float32)

    writer.add_tensor("token_embd.weight", matrix(len(tokens), WIDTH) * 8)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        writer.add_tensor(f"{block}.attn_norm.weight", ones())
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"{block}.{part}.weight", matrix(WIDTH, WIDTH))
        writer.add_tensor(f"{block}.ffn_norm.weight", ones())
        writer.add_tensor(f"{block}.ffn_gate.weight", matrix(HIDDEN, WIDTH))
        writer.add_tensor(f"{block}.ffn_up.weight", matrix(HIDDEN, WIDTH))
        writer.add_tensor(f"{block}.ffn_down.weight", matrix(WIDTH, HIDDEN))
    writer.add_tensor("output_norm.weight", ones())
    spoken = matrix(len(tokens), WIDTH) * 4
    mute = [index for index, token in enumerate(tokens) if token not in WORDS]
    # A zero logit is not impossible, only beaten by the best word.
    spoken[mute] = 0
    writer.add_tensor("output.weight", spoken)


def main():
    (path,) = sys.argv[1:]
    writer = gguf.GGUFWriter(path, "llama")
    tokens, scores, kinds = (list(column) for column in vocabulary())
    describe(writer, tokens, scores, kinds)
    weigh(writer, tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
