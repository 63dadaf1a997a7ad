"""The plugin of MMRB-StyleGAN2: what it offers, as data."""
