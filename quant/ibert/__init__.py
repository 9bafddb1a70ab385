"""I-BERT's integer encoder layer, for its checkpoints and its public vectors.

Kim, Gholami, Yao, Mahoney, Keutzer: I-BERT, integer-only BERT quantization (ICML 2021).
"""
