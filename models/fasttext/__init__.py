"""fastText classifiers (Joulin et al. 2016): their files read, their predictions computed by a kernel of our own.

`file` reads the format, `kernels` are the compiled loops, `inference` puts both together. Labels and probabilities are
those of the fastText library, bit for bit, at several times its speed; training stays with the library.
"""
