"""N-gram language models with interpolated modified Kneser-Ney smoothing: `estimate` trains, `model` scores."""
