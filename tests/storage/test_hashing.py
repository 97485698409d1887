"""The hash that orders and splits rest on gives the published numbers."""

import numpy as np

from storage.hashing import splitmix64


def test_the_published_outputs_for_the_seeds_0_and_1234567():
    """The first outputs of the reference generator: state k is the seed plus k times the golden gamma."""
    gamma = np.uint64(0x9E3779B97F4A7C15)
    for seed, outputs in (
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]),
        (1234567, [6457827717110365317, 3203168211198807973, 9817491932198370423]),
    ):
        states = np.uint64(seed) + np.arange(3, dtype=np.uint64) * gamma
        assert splitmix64(states).tolist() == outputs
    assert splitmix64(states).dtype == np.uint64
