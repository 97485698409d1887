"""What the peers do with the same inputs. Run in the environment of `peers.txt`: nothing of ours can be imported."""
