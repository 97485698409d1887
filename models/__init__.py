"""What is learned: decoder, optimizer and training loop, tokenizer, classifiers. Imports nothing of ours."""
