"""A CLIP tokenizer with a small vocabulary: CLIP's normalizer and pre-tokenizer, merges trained on given captions."""

import json
from collections.abc import Iterable

from tokenizers import Tokenizer, models, trainers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

from .architecture import TEXT_LENGTH

START = "<|startoftext|>"
END = "<|endoftext|>"


def train_tokenizer(captions: Iterable[str], vocabulary: int = 1024) -> CLIPTokenizer:
    """Trains the merges of a CLIP byte-pair encoding.

    As in CLIP the vocabulary holds the 256 bytes, the 256 bytes at the end of a word (`</w>`), the merges, and last
    the two special tokens, so no text is unknown; `vocabulary` counts all of them.
    """
    clip = CLIPTokenizer()
    trained = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trained.normalizer = clip.backend_tokenizer.normalizer
    trained.pre_tokenizer = clip.backend_tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 256 - 2,
        initial_alphabet=ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    trained.train_from_iterator(captions, trainer)
    merges = [tuple(merge) for merge in json.loads(trained.to_str())["model"]["merges"]]
    letters = sorted(ByteLevel.alphabet())
    merged = [left + right for left, right in merges]
    # the trainer knows only the letters that it met at the end of a word; CLIP's vocabulary has them all
    tokens = dict.fromkeys(letters + [letter + "</w>" for letter in letters] + merged + [START, END])
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=merges,
        model_max_length=TEXT_LENGTH,
    )
