"""`lastunit simulate`: the real daemon in a made-up world, on a virtual clock, from one seed, judged by an oracle."""
