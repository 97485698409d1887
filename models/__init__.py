"""What is learned: the decoder, its optimizer and training loop, the tokenizer, classifiers. Imports nothing of ours."""
