"""MMRB-StyleGAN2: a reconstruction from the abstract of Hu et al. (2022), whose text could not be had."""
